// What a PromQL expression asks for, read with Prometheus' own grammar. It knows no name of ours.

import { parser } from '@prometheus-io/lezer-promql';

/**
 * Every selector of `expression` as `{metric, matchers: [{label, operator, value}]}`.
 * @throws {SyntaxError} at what is no PromQL
 */
export function selectors(expression) {
  const found = [];
  const text = ({ from, to }) => expression.slice(from, to);
  parser.parse(expression).iterate({
    enter(node) {
      if (node.type.isError) throw new SyntaxError(`no PromQL at ${node.from}: ${expression}`);
      if (node.name !== 'VectorSelector') return;
      const matchers = [];
      node.node.cursor().iterate((inner) => {
        if (inner.name !== 'UnquotedLabelMatcher') return;
        const [label, operator, value] = children(inner.node).map(text);
        matchers.push({ label, operator, value: value.slice(1, -1) });
      });
      const name = node.node.getChild('Identifier');
      found.push({ metric: name && text(name), matchers });
    },
  });
  return found;
}

/** The label names by which `expression` groups. */
export function groupings(expression) {
  const labels = [];
  parser.parse(expression).iterate({
    enter(node) {
      if (node.name !== 'GroupingLabels') return;
      labels.push(...children(node.node).map(({ from, to }) => expression.slice(from, to)));
    },
  });
  return labels;
}

function children(node) {
  const list = [];
  for (let child = node.firstChild; child; child = child.nextSibling) list.push(child);
  return list;
}
