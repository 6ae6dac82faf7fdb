"""What is done to a chat template's tree before it is compiled, so that the sandbox hears of all it does.

tree ──Counting──> every loop and macro begins with `environment.count()`; literals pass through
                   `environment.weighed(…)`, and ``a ~ b`` is `environment.joined(a, b)`
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer


class Counting(NodeTransformer):
    """Puts a count into every loop and macro, and a scale under every literal and joined text."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        return self._counted(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._counted(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._counted(node)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return _asked("weighed", [self.generic_visit(node)])

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return _asked("weighed", [self.generic_visit(node)])

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        node = self.generic_visit(node)  # type: ignore[assignment]  # it visits children and returns the node
        return _asked("weighed", [node]) if node.ctx == "load" else node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _asked("joined", node.nodes)

    def _counted(self, node: nodes.Node) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_asked("count", [])))  # type: ignore[attr-defined]
        return node


def _asked(method: str, arguments: list[Any]) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(method), arguments, [], None, None)


class Generation(Extension):
    """``{% generation %}``, which marks a span for training and means nothing here."""

    tags = {"generation"}  # noqa: RUF012 - as the base class has it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The block's own body."""
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
