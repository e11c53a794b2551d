import asyncio, time, json
import grpc.aio, pytest
from tests.service.world import *
from headgate import v1 as pb
@pytest.mark.timeout(120)
async def test_x(new_program, sqlite_url):
    program = new_program(sqlite_url, log_level="warning")
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as channel:
        w = World(channel)
        async def attempt(schema, answer):
            run = await w.new_run(RUNNING)
            await w.propose(run, paused("1", run_input_keyset=keyset("1")), inputs=[pb.NewFlowRunInput(key="paused-1-schema", value_json=schema)])
            stalls=0; last=time.perf_counter(); worst=0
            async def ping():
                nonlocal worst
                while True:
                    t=time.perf_counter(); await w.server.GetServerInfo(pb.GetServerInfoRequest()); worst=max(worst,time.perf_counter()-t); await asyncio.sleep(0.01)
            p=asyncio.create_task(ping())
            t=time.perf_counter()
            try:
                r = await w.runs.ResumeFlowRun(pb.ResumeFlowRunRequest(flow_run_id=run.id, run_input_json=answer), timeout=15)
                out=(r.status, r.reject.reason[:150])
            except grpc.aio.AioRpcError as e:
                out=(e.code(), e.details()[:150])
            p.cancel()
            print(f"{time.perf_counter()-t:.2f}s worst ping {worst:.3f}", schema[:60], answer[:60], out, flush=True)
        await attempt('{}', '{"a": %s}' % ("9"*5000))
        await attempt('{"properties": {"a": {"multipleOf": 1e-320}}}', '{"a": 1e308}')
        await attempt('{"properties": {"a": {"multipleOf": 0.1}}}', '{"a": 1e308}')
        await attempt('{"properties": {"a": {"multipleOf": 3}}}', '{"a": 1e400}')
        await attempt('{"properties": {"a": {"pattern": "^(a+)+$"}}}', '{"a": "%s!"}' % ("a"*40))
        await attempt('{"properties": {"a": {"type":"array","uniqueItems": true}}}', json.dumps({"a": [{"x": i} for i in range(20000)]}))
        await attempt('{"$ref": "#"}', '{"a": 1}')
        await attempt('{"properties":{"a":{"$ref":"#"}}}', '{"a":'*800+'1'+'}'*800)
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ 9**9**9 }}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ 'a' * 10**10 }}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ ('a' * 10**6) | replace('a', 'b' * 10**6) }}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ '%999999999d' % 1 }}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ 'x'|center(10**10) }}"}))
        await attempt('{}', json.dumps({"__prefect_kind":"jinja","template":"{{ range(99999)|list|string|length }}"}))
    print(program.faults())
