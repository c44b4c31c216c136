'use strict';

/**
 * Ready-made workflow documents in Sim's export format, one for each way that a run can go. A real Sim imports them too.
 */

const EDGE = { sourceHandle: 'source', targetHandle: 'target', type: 'default', data: {} };

/** Kinds of sub-blocks, by block type and key, as Sim's editor names them. */
function subBlocks(entries) {
  return Object.fromEntries(Object.entries(entries).map(([id, [type, value]]) => [id, { id, type, value }]));
}

function block(id, type, name, x, settings, outputs) {
  const typed = Object.fromEntries(Object.entries(outputs).map(([key, kind]) => [key, { type: kind }]));
  return {
    id,
    type,
    name,
    position: { x, y: 0 },
    enabled: true,
    horizontalHandles: true,
    advancedMode: false,
    height: 0,
    subBlocks: subBlocks(settings),
    outputs: typed,
    data: {},
  };
}

const FIELDS = [{ id: 'message', name: 'message', type: 'string', value: '' }];

/** A document whose blocks follow one another after a start block with the input field `message`. */
function chain(name, description, ...rest) {
  const start = block(
    'start',
    'start_trigger',
    'Start',
    0,
    { inputFormat: ['input-format', FIELDS] },
    {
      input: 'string',
      conversationId: 'string',
      files: 'file[]',
    },
  );
  const blocks = [start, ...rest];
  const edges = rest.map(({ id }, index) => ({ id: `edge-${index}`, source: blocks[index].id, target: id, ...EDGE }));
  return {
    version: '1.0',
    exportedAt: '2026-01-01T00:00:00.000Z',
    workflow: { name, description, workspaceId: null, folderId: null },
    state: {
      blocks: Object.fromEntries(blocks.map((one) => [one.id, one])),
      edges,
      loops: {},
      parallels: {},
      metadata: { name, description, exportedAt: '2026-01-01T00:00:00.000Z' },
      variables: {},
    },
  };
}

function functionBlock(id, name, x, code) {
  const settings = { language: ['dropdown', 'javascript'], code: ['code', code] };
  return block(id, 'function', name, x, settings, { result: 'json', stdout: 'string' });
}

/** Completes; its output is `{result: <the input>, stdout: ''}`. */
const echo = chain('Echo', 'Gives back its input', functionBlock('work', 'Work', 300, 'return { ...<start> }'));

/** Fails with `Work: Line 1: ... - boom`. */
const fail = chain('Fail', 'Always fails', functionBlock('work', 'Work', 300, 'throw new Error("boom")'));

/** Runs for 20 seconds unless it is cancelled. */
const wait = chain(
  'Wait',
  'Takes its time',
  block(
    'wait',
    'wait',
    'Wait',
    300,
    { timeValue: ['short-input', '20'], timeUnit: ['dropdown', 'seconds'] },
    { waitDuration: 'number', status: 'string' },
  ),
);

/** Pauses for a person, who answers `approved` and `comment`; completes when resumed. */
const approve = chain(
  'Approve',
  'Asks a person',
  block(
    'ask',
    'human_in_the_loop',
    'Ask',
    300,
    {
      builderData: [
        'response-format',
        [{ id: 'question', name: 'question', type: 'string', value: '<start.message>' }],
      ],
      inputFormat: [
        'input-format',
        [
          { id: 'approved', name: 'approved', type: 'boolean', required: true },
          { id: 'comment', name: 'comment', type: 'string' },
        ],
      ],
      notification: ['tool-input', []],
    },
    { url: 'string', resumeEndpoint: 'string' },
  ),
  functionBlock('after', 'After', 600, 'return { approved: <ask.approved> }'),
);

/** Ends in a Response block: v1's sync mode answers 201 with the header `X-Custom` and the block's own body. */
const response = chain(
  'Response',
  'Answers as its author wants',
  block(
    'respond',
    'response',
    'Respond',
    300,
    {
      dataMode: ['dropdown', 'json'],
      data: ['code', '{"echo":"<start.message>"}'],
      status: ['short-input', '201'],
      headers: ['table', [{ id: 'custom', cells: { Key: 'X-Custom', Value: 'abc' } }]],
    },
    { data: 'json', status: 'number', headers: 'json' },
  ),
);

/** An agent that repeats the message, in several chunks when streamed. */
const agent = chain(
  'Agent',
  'Talks',
  block(
    'agent',
    'agent',
    'Agent',
    300,
    {
      messages: ['messages-input', [{ role: 'user', content: '<start.message>' }]],
      model: ['combobox', 'gpt-5-mini'],
      apiKey: ['short-input', '{{OPENAI_API_KEY}}'],
      tools: ['tool-input', []],
      temperature: ['slider', 0.3],
      responseFormat: ['code', ''],
    },
    { content: 'string', model: 'string', tokens: 'json', toolCalls: 'json' },
  ),
);

module.exports = { echo, fail, wait, approve, response, agent };
