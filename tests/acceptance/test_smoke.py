import time
async def test_smoke(new_program, sqlite_url):
    p = new_program(sqlite_url)
    for i in range(4):
        t = time.perf_counter(); p.start(); print("start", time.perf_counter() - t)
        t = time.perf_counter(); print(p.stop(), time.perf_counter() - t)
    print(p.output())
