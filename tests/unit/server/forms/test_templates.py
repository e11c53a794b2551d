"""Templates: what they may do, what they may not, and that Jinja works as usual inside the bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import ChainableUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headgate_server.forms.scales import Scales
from headgate_server.forms.templates import InvalidTemplateError, render_template

FAILED = "Failed to render template due to the following error: "


def render(text: str) -> str:
    return render_template(text, Scales())


# fmt: off
RENDERED = {
    "plain text":                ("nothing { } to % do", "nothing { } to % do"),
    "empty":                     ("", ""),
    "comment without template":  ("a {# b #} c", "a {# b #} c"),
    "undefined is empty":        ("<{{ nobody }}>", "<>"),
    "undefined chains":          ("<{{ nobody.knows['this'].name }}>", "<>"),
    "arithmetic":                ("{{ 2 + 2 }} {{ 7 // 2 }} {{ 2 ** 10 }} {{ 7 % 4 }} {{ 3 * 'ab' }}", "4 3 1024 3 ababab"),
    "range of a hundred":        ("{{ range(100)|list|length }}", "100"),
    "range far from zero":       ("{{ range(2020000, 2020003)|join(',') }}", "2020000,2020001,2020002"),
    "humanized size":            ("{{ 1500000|humanize_naturalsize }}", "1.5 MB"),
    "humanized number":          ("{{ 1234567|humanize_intcomma }}", "1,234,567"),
    "humanized language":        ("{% set _ = 'de_DE'|humanize_activate %}{{ 1000000|humanize_intword }}", "1,0 Million"),
    "ten loops":                 ("{% for x in 'ab' %}{{ x }}{% endfor %}" * 10, "ab" * 10),
    "loops two deep":            ("{% for x in 'ab' %}{% for y in 'cd' %}{{ x ~ y }} {% endfor %}{% endfor %}", "ac ad bc bd "),
    "large number as a value":   ("{{ nobody|default(86400) }}", "86400"),
    "large number in a loop":    ("{% for x in [123456] %}{{ 'a'.upper() }}{{ x }}{% endfor %}", "A123456"),
    "large number set in a loop": ("{% for x in [1] %}{% set y = 123456 %}{{ 'a'.upper() }}{{ y }}{% endfor %}", "A123456"),
    "large number to a macro":   ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(123456) }}", "123456"),
    "namespaces stay closed":    ("{{ namespace(a=1) }}", "<Namespace>"),
    "last newline goes":         ("a\n{{ 1 }}\n", "a\n1"),
}

INVALID = {
    "unclosed expression":       ("{{ 1", "unexpected end of template, expected 'end of print statement'."),
    "unclosed comment":          ("{# a", "Missing end of comment tag"),
    "unknown tag":               ("{% nonsense %}", "Encountered unknown tag 'nonsense'."),
    "eleven loops":              ("{% for x in y %}{% endfor %}" * 11, "Contains 11 for loops. Templates can contain no more than 10 for loops."),
    "loops three deep":          ("{% for x in y %}" * 3 + "{% endfor %}" * 3, "Contains nested for loops at a depth of 3. Templates can nest for loops no more than 2 loops deep."),
    "loops hidden in between":   ("{% for x in y %}{% if x %}{% for x in y %}{% set z %}{% for x in y %}{% endfor %}{% endset %}{% endfor %}{% endif %}{% endfor %}", "Contains nested for loops at a depth of 3. Templates can nest for loops no more than 2 loops deep."),
    "parentheses":               ("{{ " + "(" * 3000, "nested too deeply"),
    "negations":                 ("{{ " + "not " * 3000 + "1 }}", "nested too deeply"),
}

FAILING = {
    "division by zero":          ("{{ 1 / 0 }}", "ZeroDivisionError('division by zero')"),
    "range too long":            ("{{ range(101) }}", "OverflowError('Range too big. A template may count no further than 100.')"),
    "unknown filter":            ("{{ 1|nonsense }}", "TemplateAssertionError(\"No filter named 'nonsense'.\")"),
    "call of nothing":           ("{{ nobody() }}", "UndefinedError(\"'nobody' is undefined\")"),
    "mutation":                  ("{{ [].append(1) }}", "SecurityError(\"access to attribute 'append' of 'list' object is unsafe.\")"),
    "text without end":          ("{{ lipsum(10**9) }}", "UndefinedError(\"'lipsum' is undefined\")"),
    "include":                   ("{% include 'passwd' %}", "TypeError('no loader for this environment specified')"),
    "endless recursion":         ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError("),
    "other directory's language": ("{{ 'de'|humanize_activate('/tmp') }}", "TypeError("),
}

GREEDY = {
    "long text":                 "{{ 'a' * 10**10 }}",
    "long text, turned round":   "{{ 10**10 * 'a' }}",
    "long list":                 "{{ [1] * 10**10 }}",
    "long bytes":                "{{ 'a'.encode() * 10**10 }}",
    "tower of powers":           "{{ 99 ** (99 ** 99) }}",
    "wide centre":               "{{ 'a'|center(10**10) }}",
    "wide centre for each":      "{{ ['a']|map('center', 10**10)|list }}",
    "wide centre by keyword":    "{{ 'a'|center(width=10**10) }}",
    "wide centre by list":       "{{ 'a'|center(*[10**10]) }}",
    "wide centre by dict":       "{{ 'a'|center(**{'width': 10**10}) }}",
    "wide method":               "{{ 'a'.ljust(10**10) }}",
    "wide method by keyword":    "{{ '\t'.expandtabs(tabsize=10**10) }}",
    "wide percent format":       "{{ '%9999999999d' % 1 }}",
    "wide bytes format":         "{{ '%9999999999d'.encode() % 1 }}",
    "wide percent precision":    "{{ '%.999999999f' % 1 }}",
    "wide starred format":       "{{ '%*d' % (10**10, 1) }}",
    "wide format filter":        "{{ '%(a)9999999999d'|format(a=1) }}",
    "wide brace format":         "{{ '{:9999999999}'.format(1) }}",
    "wide nested format":        "{{ '{:{}}'.format(1, 10**10) }}",
    "wide humanized format":     "{{ 1|humanize_naturalsize(format='%.999999999f') }}",
    "wide JSON":                 "{{ [[1]]|tojson(indent=1000) }}",
    "replacement":               "{{ ('a' * 9000)|replace('a', 'b' * 9000) }}",
    "join":                      "{{ ('a' * 9000)|join('b' * 9000) }}",
    "replacement for each":      "{{ (['a' * 9000])|map('replace', 'a', 'b' * 9000)|map('replace', 'b', 'c' * 9000)|list }}",
    "batch":                     "{{ [1]|batch(10**9, 0)|list }}",
    "long text into a filter":   "{% filter length %}" + "a" * 10_001 + "{% endfilter %}",
    "squared number":            "{% set n = namespace(x=10) %}{% for i in range(30) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "doubled text":              "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubled sum":               "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "doubled list":              "{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}",
    "doubled dict":              "{% set n = namespace(x={}) %}{% for i in range(15) %}{% set n.x = {1: n.x, 2: n.x} %}{% endfor %}{{ n.x }}",
    "doubled view":              "{% set n = namespace(x={}) %}{% for i in range(15) %}{% set n.x = {1: n.x.items(), 2: n.x.items()} %}{% endfor %}{{ n.x.items() }}",
    "doubled block":             "{% set a = 'ab' %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40 + "{{ a }}",
    "doubled filter block":      "{% filter replace('a', 'b' * 9000) %}" + "a" * 9000 + "{% endfilter %}",
    "doubled macro":             "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "doubled call block":        "{% macro m(n) %}{{ caller(n) }}{% endmacro %}{% macro r(n) %}{% if n %}{% call(x) m(n - 1) %}{{ r(x) }}{{ r(x) }}{% endcall %}{% endif %}{% endmacro %}{{ r(40) }}",
    "doubled block tag":         "{% block a %}{% set n = namespace(x=40) %}{{ n.x }}{% endblock %}{{ self.a() }}" + "{% for x in 'a' * 9000 %}{% for y in 'a' * 9000 %}{{ self.a() }}{% endfor %}{% endfor %}",
    "deep list":                 "{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
    "long loops":                "{% for x in 'a' * 9999 %}{% for y in 'a' * 9999 %}{% endfor %}{% endfor %}",
    "loops around text":         "{% for x in range(100) %}{% for y in range(100) %}" + "a" * 1000 + "{% endfor %}{% endfor %}",
    "loops around a constant":   "{% for x in range(100) %}{% for y in range(100) %}{{ '" + "a" * 1000 + "' }}{% endfor %}{% endfor %}",
    "loops around a block":      "{% for x in 'a' * 999 %}{% for y in 'a' * 999 %}{% block b scoped %}{{ x }}{% endblock %}{% endfor %}{% endfor %}",
    "long template":             "{{ 1 }}" * 10_000,
    "long comment":              "{# #}" * 100_000,
}

ORDINARY = {
    "loop variables":            "{% for x in 'abc' %}{{ loop.index }}/{{ loop.length }}{{ loop.cycle('a', 'b') }}{{ ',' if not loop.last }}{% endfor %}",
    "loop over pairs":           "{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}={{ v }};{% else %}none{% endfor %}",
    "loop with a condition":     "{% for x in range(9) if x is odd %}{{ x }}{% else %}none{% endfor %}",
    "loop over a tree":          "{% for x in [1, [2, [3]], 4] recursive %}{{ x if x is number else loop(x) }}{% endfor %}",
    "loop over a generator":     "{% for x in [1, 2]|map('string') %}{{ loop.length }}{{ x ~ x }}{% endfor %}",
    "conditions":                "{% if a is defined %}1{% elif not a %}2{% else %}3{% endif %}{{ 'x' if 1 < 2 < 3 else 'y' }}{{ 'z' if false }}",
    "assignments":               "{% set a, b = 1, [2] %}{% set c = namespace(d=a) %}{% set c.d = b %}{{ a }}{{ b }}{{ c.d }}",
    "block assignment":          "{% set a %}x{{ 1 }}{% endset %}{% set b|upper|replace('Y', 'z') %}y{{ a }}{% endset %}{{ a ~ b }}",
    "scopes":                    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}",
    "macros":                    "{% macro m(a, b='d', c=[1]) %}<{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}>{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, 4, e=5) }}",
    "call blocks":               "{% macro m(a) %}[{{ caller(a) }}]{% endmacro %}{% call(x) m('v') %}{{ x }}!{% endcall %}",
    "filter blocks":             "{% filter upper|replace('B', '-') %}ab{{ 'c' }}{% endfilter %}",
    "blocks":                    "{% block a %}1{{ self.b() }}{% endblock %}{% block b %}2{% endblock %}",
    "scoped blocks":             "{% for x in 'ab' %}{% block a scoped %}{{ x }}{% endblock %}{% endfor %}",
    "raw text":                  "{% raw %}{{ x }}{% endraw %}{# comment #}",
    "white space":               "a  {%- if true -%}  b  {%- endif %}  c\n{{ 1 }}\n",
    "escaping":                  "{% autoescape true %}<b>{{ '<i>' }}{{ '<u>'|safe }}{% set x %}<a>{{ '<' }}{% endset %}{{ x }}{% endautoescape %}{{ '<' }}",
    "literals":                  "{{ [1, 'a', 2.5, none, true] }}{{ (1,) }}{{ {'a': {'b': ()}} }}",
    "access":                    "{{ 'abc'[1] }}{{ 'abcdef'[1:5:2] }}{{ [1, 2, 3][::-1] }}{{ {'a': 1}.a }}{{ {'a': 1}['a'] }}{{ 'a'.upper() }}{{ 'a,b'.split(',') }}",
    "operators":                 "{{ 1 + 2 * 3 - 4 / 5 // 6 % 7 ** 2 }}{{ -1 }}{{ +1 }}{{ 'a' ~ 1 ~ none }}{{ 1 in [1] }}{{ 1 not in [1] }}{{ 0 or 'x' and 'y' }}{{ [1] * 2 }}{{ [1] + [2] }}",
    "formats":                   "{{ '%05.1f|%s|%%' % (3.14159, 'a') }}{{ '%(a)s'|format(a=1) }}{{ '{:>5}|{a}|{0[0]}|{{}}'.format('xy', a=1) }}{{ '{a}'.format_map({'a': 1}) }}",
    "filters":                   "{{ [3, 1, 2]|sort|join('-') }}{{ [1, 2, 3, 4]|batch(3, 'x')|list }}{{ 'abc'|center(9) }}{{ [1, 2, 3]|select('odd')|map('string')|list }}{{ 'a b'|title|length }}{{ [1, 2]|sum(start=10) }}{{ 42.55|round(1, 'floor') }}",
    "more filters":              "{{ 'abc'|reverse }}{{ [1, 2]|reverse|list }}{{ {'b': 1, 'a': [2]}|dictsort }}{{ {'b': 1, 'a': [2]}|tojson(indent=2) }}{{ ['a', 'A', 'b']|unique|list }}{{ [{'a': 1}, {'a': 2}]|map(attribute='a')|list }}{{ 'a\nb'|indent(2) }}",
    "groups":                    "{% for g in [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}]|groupby('a') %}{{ g.grouper }}:{{ g.list }}{% endfor %}",
    "helpers":                   "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{% set j = joiner(', ') %}{{ j() }}x{{ j() }}y{{ dict(a=1) }}",
    "private attributes":        "{{ ''.__class__ }}{{ ''.__class__.__mro__ }}{{ self.__init__ }}{{ range.__globals__ }}",
}
# fmt: on


@pytest.mark.parametrize(("template", "text"), RENDERED.values(), ids=RENDERED)
def test_a_template_is_rendered(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize("template", ORDINARY.values(), ids=ORDINARY)
def test_inside_the_bounds_jinja_is_what_it_always_is(template: str) -> None:
    jinja = ImmutableSandboxedEnvironment(undefined=ChainableUndefined)

    assert render(template) == jinja.from_string(template).render()


@pytest.mark.parametrize(("template", "reason"), INVALID.values(), ids=INVALID)
def test_an_invalid_template_is_refused_with_its_reason(template: str, reason: str) -> None:
    with pytest.raises(InvalidTemplateError) as refusal:
        render(template)

    assert str(refusal.value) == reason


@pytest.mark.parametrize(("template", "error"), FAILING.values(), ids=FAILING)
def test_a_template_that_fails_renders_as_its_failure(template: str, error: str) -> None:
    text = render(template)

    assert text.startswith(FAILED + error)
    assert text.endswith(f"\nTemplate source:\n{template}")


@pytest.mark.parametrize("template", GREEDY.values(), ids=GREEDY)
def test_a_template_that_asks_for_too_much_is_refused(template: str) -> None:
    with pytest.raises(InvalidTemplateError):
        render(template)


def test_the_templates_of_one_input_share_their_bounds() -> None:
    scales = Scales()

    def render_many() -> None:
        for _ in range(1000):
            render_template("{{ 1 }}", scales)

    with pytest.raises(InvalidTemplateError, match="The templates make more than 250000"):
        render_many()


def test_a_language_chosen_by_one_template_is_forgotten_by_the_next() -> None:
    render("{{ 'de_DE'|humanize_activate }}{{ 1 / 0 }}")

    assert render("{{ 1000000|humanize_intword }}") == "1.0 million"


FRAGMENTS = st.sampled_from(
    [
        "{{ ", " }}", "{% ", " %}", "{#", "#}", "for x in ", "endfor", "if ", "else", "endif", "set x = ",
        "macro m(x)", "endmacro", "m(", "call m(1)", "endcall", "x", "1", "'a'", "[", "]", "(", ")", "{",
        "}", ",", ":", "|upper", "|join", "|list", " + ", " ~ ", " * ", " ** ", "99", ".items()", ".a",
        "namespace(a=1)", "range(9)", "loop", "self", "caller()", "super()", "block b", "endblock", "\n",
        "\ud800", "\x00", "é",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(template=st.lists(FRAGMENTS, max_size=20).map("".join) | st.text())
def test_any_text_is_rendered_or_refused(template: str) -> None:
    try:
        text = render(template)
    except InvalidTemplateError as refusal:
        text = str(refusal)

    assert isinstance(text, str)
