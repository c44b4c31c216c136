// What a person does on the page, over the same routes that LibreChat's client uses. Knows the HTTP contract only.

const POLL_MS = 500;
const FINAL = new Set(['completed', 'failed', 'cancelled']);

const $ = (id) => document.getElementById(id);

let token;
let drafts = [];
/** The run that the card shows. */
let shown;

/** One call; an error becomes an exception with the adapter's message. A key makes a doubled click start one run. */
async function call(method, path, body, key) {
  const headers = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (key) headers['idempotency-key'] = `"${key}"`;
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (response.status === 401 && token)
    throw new Error('You are signed out: the token is good for 15 minutes. Sign in again.');
  const answer = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {};
  if (response.ok) return answer;
  const { code = response.status, message = text, details } = answer.error ?? answer;
  throw new Error(`${code}: ${message}${details ? ` ${JSON.stringify(details)}` : ''}`);
}

function parseObject(id, what) {
  try {
    const value = JSON.parse($(id).value);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Falls to the same message: it is no JSON object.
  }
  $(id).focus();
  throw new Error(`${what} is not a JSON object.`);
}

/** Runs what a form does with its button off, and shows what went wrong. */
function onSubmit(id, work) {
  $(id).addEventListener('submit', (event) => {
    event.preventDefault();
    guarded($(id).querySelector('button'), work);
  });
}

async function guarded(button, work) {
  button.disabled = true;
  $('problem').hidden = true;
  try {
    await work();
  } catch (error) {
    // Beside the button, where the eyes are.
    (button.closest('form') ?? button.parentElement).append($('problem'));
    $('problem').textContent = error.message;
    $('problem').hidden = false;
  } finally {
    button.disabled = false;
  }
}

function addFlow({ id, name }) {
  if ([...$('flow').options].every((option) => option.value !== id)) $('flow').add(new Option(name, id));
}

function pickDraft() {
  const { name, document } = drafts[$('draft').selectedIndex];
  $('name').value = name;
  $('document').value = JSON.stringify(document, null, 2);
}

function showRun(run) {
  $('card').hidden = false;
  $('status').textContent = run.status;
  $('status').dataset.status = run.status;
  $('duration').textContent = run.durationMs == null ? '–' : `${run.durationMs} ms`;
  const output = run.error ?? run.output;
  $('output').textContent = output == null ? '–' : JSON.stringify(output, null, 2);
  $('cancel').hidden = FINAL.has(run.status);
  $('resume').hidden = run.status !== 'paused';
}

/** Reads the run until it is final or waits for a person, or until the card shows another one. */
async function follow(id) {
  shown = id;
  for (;;) {
    const { run } = await call('GET', `/api/sim/runs/${id}/status`);
    if (shown !== id) return;
    showRun(run);
    if (FINAL.has(run.status) || run.status === 'paused') return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

onSubmit('sign-in', async () => {
  token = undefined;
  const answer = await call('POST', '/api/auth/login', { username: $('username').value });
  token = answer.token;
  $('signed-in').textContent = `Signed in as ${answer.user.username}, role ${answer.user.role}.`;
  for (const fieldset of document.querySelectorAll('fieldset')) fieldset.disabled = false;
  const { flows } = await call('GET', '/api/sim/flows');
  $('flow').replaceChildren();
  flows.forEach(addFlow);
});

onSubmit('create', async () => {
  const body = { name: $('name').value, document: parseObject('document', 'The document'), deploy: true };
  const { flow } = await call('POST', '/api/sim/flows/create', body);
  addFlow(flow);
  $('flow').value = flow.id;
  $('created').textContent = `Created ${flow.name} (${flow.id}).`;
  $('flow').focus();
});

onSubmit('run', async () => {
  const input = parseObject('input', 'The input');
  const flow = $('flow').selectedOptions[0];
  const { run } = await call('POST', `/api/sim/flows/${flow.value}/run`, { input }, crypto.randomUUID());
  $('run-flow').textContent = flow.text;
  showRun(run);
  await follow(run.id);
});

onSubmit('resume', async () => {
  const { run } = await call('POST', `/api/sim/runs/${shown}/resume`, { input: parseObject('answer', 'The answer') });
  await follow(run.id);
});

$('cancel').addEventListener('click', () =>
  guarded($('cancel'), async () => {
    await call('POST', `/api/sim/runs/${shown}/cancel`);
    await follow(shown);
  }),
);

$('draft').addEventListener('change', pickDraft);

drafts = await call('GET', '/drafts');
$('draft').replaceChildren(...drafts.map(({ title }) => new Option(title)));
pickDraft();
