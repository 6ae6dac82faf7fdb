"""Chat templates of strangers: whatever they do, they end soon and small; and those of real models are as ever."""

from __future__ import annotations

import tracemalloc

import pytest
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from pluralism_local.engine.chat_template import chat_renderer
from pluralism_local.engine.template_sandbox import Sandbox
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message

DOUBLING = "{% set ns = namespace(x=START) %}{% for i in range(60) %}{% set ns.x = MORE %}{% endfor %}END"


def doubling(start: str, more: str, end: str = "{{ ns.x }}") -> str:
    return DOUBLING.replace("START", start).replace("MORE", more).replace("END", end)


HEAVY = {
    "nested ranges": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
    "nested in a macro": "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "recursive loop": "{% for x in [[1,1]] recursive %}{{ loop([x,x]) }}{% endfor %}",
    "long range": "{% for i in range(99999999) %}{% endfor %}",
    "texts times": "{{ 'x'*10**10 }}",
    "times texts": "{{ 10**10*'x' }}",
    "lists times": "{{ ([1]*10**9)|length }}",
    "a list of references": "{% set a = [[['x'*1000]*1000]*1000] %}{{ a }}",
    "powers": "{{ 9**99999999 }}",
    "powers of powers": doubling("10", "ns.x*ns.x"),
    "center": "{{ 'x'.center(10**10) }}",
    "ljust": "{{ 'x'.ljust(10**9) }}",
    "zfill": "{{ 'x'.zfill(10**9) }}",
    "expandtabs": "{{ ('\t'*1000).expandtabs(10**8) }}",
    "center filter": "{{ 'x'|center(10**9) }}",
    "format width": "{{ '{:1000000000}'.format(1) }}",
    "format width by argument": "{{ '{:{}}'.format(1, 10**9) }}",
    "format map": "{{ '{x:1000000000}'.format_map({'x': 1}) }}",
    "percent width": "{{ '%1000000000d' % 1 }}",
    "percent star": "{{ '%*d' % (1000000000, 1) }}",
    "percent filter": "{{ '%1000000000d'|format(1) }}",
    "percent precision": "{{ '%.999999999f'|format(1.5) }}",
    "doubled sum": doubling("'x'", "ns.x + ns.x"),
    "doubled join": doubling("'x'", "ns.x ~ ns.x"),
    "doubled by join": doubling("'x'", "[ns.x, ns.x]|join"),
    "doubled by join method": doubling("'x'", "''.join([ns.x, ns.x])"),
    "doubled by format": doubling("'x'", "'%s%s' % (ns.x, ns.x)"),
    "doubled by named format": doubling("'x'", "'{0}{0}'.format(ns.x)"),
    "doubled list": doubling("[1]", "ns.x + ns.x"),
    "doubled pair": doubling("1", "[ns.x, ns.x]"),
    "doubled pair, unseen": doubling("1", "(ns.x, ns.x)", "{{ ns.x == 1 }}"),
    "doubled dict": doubling("1", "{'a': ns.x, 'b': ns.x}", "{{ ns.x|tojson }}"),
    "doubled by dict": doubling("1", "dict(a=ns.x, b=ns.x)", "{{ ns.x|string }}"),
    "doubled block": "{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set y %}{{ ns.x }}{{ ns.x }}"
    "{% endset %}{% set ns.x = y %}{% endfor %}",
    "doubled by replace": doubling("'xx'", "ns.x.replace('x', 'xx')"),
    "doubled by replace filter": doubling("'xx'", "ns.x|replace('x', 'xx')"),
    "replace of nothing": "{% set a = 'x'*1000000 %}{{ a.replace('', a) }}",
    "replace filter": "{% set a = 'x'*1000000 %}{{ a|replace('x', a) }}",
    "tojson": "{{ range(9999)|list|tojson(indent=10**9) }}",
    "tojson of references": "{% set a = ['x'*100000] %}{{ [a*1000, a*1000]|tojson }}",
    "sort": "{% for i in range(9999) %}{% set a = range(9999)|list|sort(reverse=true) %}{% endfor %}",
    "lipsum": "{{ lipsum(10**6) }}",
    "indent": "{{ ('x\n'*1000)|indent(10**9) }}",
    "wordwrap": "{{ ('x '*1000)|wordwrap(1, wrapstring='x'*10**9) }}",
    "round": "{{ 1.5|round(10**9, 'ceil') }}",
    "map to references": "{% set a = 'x'*1000000 %}{{ ([0]*10000)|map('default', a, true)|list }}",
    "join of references": "{% set a = 'x'*1000000 %}{{ ([0]*10000)|map('default', a, true)|join }}",
    "map to long texts": "{{ range(9999)|map('string')|map('replace', '1', 'x'*100000)|list|length }}",
    "sum of lists": "{{ ([[1]]*200000)|sum(start=[])|length }}",
    "tags": "{{ ('<!---->'*60000)|striptags }}",
    "tags of markup": "{{ (('<!---->'*60000)|safe).striptags() }}",
    "codec": "{{ ('é'*400000).encode('punycode') }}",
    "join by attribute": "{% set a = {'x': 'x'*1000000} %}{{ ([a]*10000)|join('', attribute='x') }}",
    "join by a long text": "{{ ('x'*1000000).join('x'*1000000) }}",
    "fromkeys": "{{ {}.fromkeys(range(9999), 'x'*1000000) }}",
    "translate": "{{ ('x'*100000).translate({120: 'x'*100000}) }}",
    "to bytes": "{{ (1).to_bytes(10**10, 'big') }}",
    "long output": "{% for i in range(9999) %}{{ 'x'*10000 }}{% endfor %}",
    "48 MB": "{% for i in range(48) %}{% for j in range(1000) %}{{ 'x'*1000 }}{% endfor %}{% endfor %}",
    "slow without output": "{% set a = 'ab'*400000 %}" + "{% set b = a|replace('b', 'c') %}" * 40_000,
    "a long source": "{# " + "x" * 2**20 + " #}",
    "deep expressions": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep blocks": "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "strftime": "{{ strftime_now('%1000000000Y' * 100) * 10**9 }}",
    "format twice": "{{ ('%s'*1000) % ((('x'*1000,)*1000)) }}",
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_template_that_works_for_ever_is_refused(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput) as refused:
            chat_renderer(HEAVY[name], bos="", eos="")((Message("user", "Hi."),), True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "--template none" in refused.value.hint
    assert len(refused.value.message) < 400
    assert peak < 200 * 2**20


def test_what_runs_longer_with_the_conversation_is_refused_then() -> None:
    render = chat_renderer(
        "{% for m in messages %}{% if messages|length > 2 %}" + HEAVY["nested ranges"] + "{% endif %}"
        "{{ m.content }}{% endfor %}",
        bos="",
        eos="",
    )
    assert render((Message("user", "a"),), True) == "a"
    with pytest.raises(InvalidInput, match="more than a template may"):
        render((Message("user", "a"), Message("assistant", "b"), Message("user", "c")), True)
    assert render((Message("user", "a"),), True) == "a"


def test_long_conversations_are_rendered() -> None:
    render = chat_renderer(
        "{% for m in messages %}{{ m.role + m.content | trim }}{% endfor %}", bos="", eos=""
    )
    long = "word " * 500_000
    assert render((Message("user", long),), True) == "user" + long.strip()
    many = tuple(Message("user", f"{i} ") for i in range(3000))
    assert len(render(many, True)) > 20_000


CONVERSATION = (
    Message("system", "Be brief. <b>é</b>"),
    Message("user", "a\n  b"),
    Message("assistant", " c "),
    Message("user", "d"),
)
ORDINARY = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}x{% endif %}",
    "{{ bos_token }}{%- for m in messages %}{{ loop.index0 ~ m['content'].strip() ~ eos_token }}{%- endfor %}",
    "{% set ns = namespace(last=0, first=true) %}{% for m in messages %}{% if m.role == 'user' %}"
    "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ ns.last }}{{ messages | tojson }}",
    "{%- macro turn(m, n=2) -%}{{ m.role | upper }}:{{ m.content.split('\n')[-1] }}{%- endmacro -%}"
    "{% for m in messages[1:] %}{{ turn(m) }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}{% else %}{% set s = '' %}{% endif %}"
    "{{ '[%s]' | format(s) }}{{ '{0}-{x}'.format(1, x=s) }}{{ [1, 2] + [3] }}{{ {'a': (1, 2)} }}{{ 7 // 2 * 3 % 5 }}",
    "{{ messages | map(attribute='content') | join(' | ') }}"
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
    "{% for m in messages %}{% if loop.index is even %}{% continue %}{% endif %}{{ m.content | replace('a', 'bb') }}"
    "{% if tools is not none and tools %}t{% endif %}{% endfor %}{{ 'a\nb' | indent(2) }}"
    "{{ 'a\n\nb' | indent(3, true) }}",
    "{% generation %}{{ messages[-1].content }}{% endgeneration %}{{ messages[-1].nothing is defined }}",
    "{% set x %}<{{ messages[-1].content }}>{% endset %}{{ x * 2 }}"
    "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}",
    "{{ messages | groupby('role') | map('first') | list }}{{ [1, 2.5] | sum }}"
    "{{ 2.567 | round(1) }}{{ 10 ** 3 }}{{ '%05.1f' % 2.5 }}",
)


@pytest.mark.parametrize("template", ORDINARY)
@pytest.mark.parametrize("header", [False, True])
def test_an_ordinary_template_is_rendered_as_by_the_library(template: str, header: bool) -> None:
    theirs = Jinja2ChatFormatter(template, eos_token="</s>", bos_token="<s>", add_generation_prompt=header)
    messages = [{"role": m.role, "content": m.content} for m in CONVERSATION]
    expected = theirs(messages=messages).prompt
    assert chat_renderer(template, bos="<s>", eos="</s>")(CONVERSATION, header) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}x{{ messages.__class__ }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception.__globals__ }}{{ range.__self__.from_string('x') }}",
        "{{ namespace.__init__ }}{{ joiner.__init__.__globals__.os }}",
        "{% include 'x' %}",
        "{{ '{0.__class__.__mro__}'.format(1) }}",
    ],
)
def test_a_template_does_not_get_at_pythons_insides(template: str) -> None:
    try:
        text = chat_renderer(template, bos="", eos="")((Message("user", "Hi."),), True)
    except InvalidInput:
        return
    assert "class" not in text and "module" not in text and "Sandbox" not in text


def test_a_namespace_within_itself_is_printed() -> None:
    names = "".join(f"{{% set n{i} = namespace(a=n{i - 1}, b=n{i - 1}) %}}" for i in range(1, 60))
    text = chat_renderer("{% set n0 = namespace() %}" + names + "{{ n59 }}", bos="", eos="")((), True)
    assert text == "<Namespace>"


def test_each_sandbox_has_its_own_count() -> None:
    first, second = Sandbox(), Sandbox()
    loop = "{% for i in range(9000) %}{% endfor %}" * 5
    for sandbox in (first, second, first):
        assert sandbox.render(sandbox.from_source(loop), []) == ""
