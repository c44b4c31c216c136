'use strict';

/**
 * What each kind of block does, simply and deterministically: no code is evaluated and no model is called.
 * A block sees the run's input and the outputs before it; it knows nothing of the run's id, status or client.
 */

const { resolveText, resolveJson, resolveDeep } = require('./references');
const { deliver } = require('./webhook');

/** The longest a wait block waits, in ms. */
const LONGEST_WAIT_MS = 60_000;

const UNIT_MS = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };

/** A block that failed; `message` is without the block's name. */
class BlockFailure extends Error {
  constructor(block, message) {
    super(message);
    this.block = block;
  }
}

const setting = (block, key) => block.subBlocks?.[key]?.value;

function start(block, { input }) {
  const output = {};
  const fields = setting(block, 'inputFormat');
  for (const { name, type } of Array.isArray(fields) ? fields : []) {
    if (type === 'number') {
      output[name] = Number(input[name] ?? 0);
    } else if (typeof name === 'string') {
      output[name] = input[name] ?? '';
    }
  }
  return { ...output, ...input };
}

/** `throw new Error("x")` on some line fails the block, with the message that Sim gives. */
function failIfItThrows(block, code) {
  code.split('\n').forEach((line, index) => {
    const thrown = /throw new Error\((["'`])(.*?)\1\)/.exec(line);
    if (thrown) {
      throw new BlockFailure(block, `Line ${index + 1}: \`${line.trim()}\` - ${thrown[2]}`);
    }
  });
}

/** `return {a: 1, b: <start.b>}` gives that literal; any other code gives the run's input. */
function functionResult(code, { input, outputs }) {
  const returned = /^\s*return\s+([\s\S]+?);?\s*$/.exec(code);
  if (!returned) {
    return input;
  }
  const quoted = returned[1].replace(/([{,]\s*)([A-Za-z_$][\w$]*)\s*:/g, '$1"$2":');
  try {
    return JSON.parse(resolveJson(quoted, outputs));
  } catch {
    return input;
  }
}

function runFunction(block, context) {
  const code = String(setting(block, 'code') ?? '');
  failIfItThrows(block, code);
  return { result: functionResult(code, context), stdout: '' };
}

async function wait(block, { sleep }) {
  const unit = UNIT_MS[setting(block, 'timeUnit')] ?? 1000;
  const asked = Number(setting(block, 'timeValue') ?? 0) * unit;
  await sleep(Math.min(asked, LONGEST_WAIT_MS));
  return { waitDuration: asked, status: 'completed' };
}

function response(block, { outputs }) {
  const raw = String(setting(block, 'data') ?? '');
  let data;
  try {
    data = JSON.parse(resolveJson(raw, outputs));
  } catch {
    data = resolveText(raw, outputs);
  }
  const headers = { 'Content-Type': 'application/json' };
  const rows = setting(block, 'headers');
  for (const { cells } of Array.isArray(rows) ? rows : []) {
    if (cells?.Key) {
      headers[cells.Key] = resolveText(String(cells.Value ?? ''), outputs);
    }
  }
  return { data, status: Number(setting(block, 'status') ?? 200) || 200, headers };
}

/** Several pieces that make up the text again. */
function pieces(text) {
  const words = text.match(/\S+\s*/g) ?? [text];
  return words.length >= 3 ? words : (text.match(/.{1,4}/gs) ?? [text]);
}

async function agent(block, { outputs, emit, sleep, pace }) {
  const messages = setting(block, 'messages');
  const asked = (Array.isArray(messages) ? messages : []).filter(({ role }) => role === 'user').at(-1)?.content ?? '';
  const content = `You said: ${resolveText(String(asked), outputs)}`;
  emit({ blockId: block.id, event: 'thinking', data: 'The answer repeats the question.' });
  const tools = setting(block, 'tools');
  (Array.isArray(tools) ? tools : []).forEach(({ title, type }, index) => {
    const call = { blockId: block.id, event: 'tool', id: `call_${index + 1}`, name: title ?? type };
    emit({ ...call, phase: 'start' });
    emit({ ...call, phase: 'end', status: 'success' });
  });
  const parts = pieces(content);
  for (const chunk of parts) {
    emit({ blockId: block.id, chunk });
    await sleep(pace / parts.length);
  }
  const tokens = { input: content.length, output: parts.length, total: content.length + parts.length };
  return {
    content,
    model: String(setting(block, 'model') ?? 'emulated'),
    tokens,
    toolCalls: { list: [], count: 0 },
    cost: { input: 0, output: 0, total: 0 },
  };
}

/** What a pause shows to the person who must answer; `links` are the addresses of the answer. */
function pauseOutput(block, { outputs }, links) {
  const asked = setting(block, 'builderData');
  const fields = setting(block, 'inputFormat');
  return {
    data: {
      operation: 'human',
      responseStructure: (Array.isArray(asked) ? asked : []).map(({ name, type, value }) => ({
        name,
        type,
        value: resolveDeep(value, outputs),
      })),
      inputFormat: (Array.isArray(fields) ? fields : []).map(({ id, name, type, required, value }) => ({
        id,
        name,
        label: name,
        type,
        value,
        required: required === true,
      })),
      submission: null,
      _resume: links,
    },
    status: 200,
    headers: { 'Content-Type': 'application/json' },
  };
}

async function webhook(block, { outputs, signal }) {
  try {
    return await deliver(block, outputs, signal);
  } catch (error) {
    // A run that was cancelled meanwhile has no failure of its own.
    signal?.throwIfAborted();
    throw new BlockFailure(block, error.message);
  }
}

const KINDS = {
  start_trigger: start,
  starter: start,
  function: runFunction,
  wait,
  response,
  agent,
  webhook_request: webhook,
};

/** Runs one block and gives its output; any kind without a rule gives the run's input. */
async function runBlock(block, context) {
  const kind = Object.hasOwn(KINDS, block.type) ? KINDS[block.type] : () => context.input;
  return kind(block, context);
}

module.exports = { BlockFailure, runBlock, pauseOutput };
