// A run as a card: status, time, what it says, what it asks, how to stop it. It draws a followed run and knows no client.

import { createElement as h, useEffect, useId, useRef, useState } from 'react';

import { isFinal } from '../index.js';
import { useSim } from './context.js';
import { ErrorNote } from './error-note.js';
import { Blocks, Output } from './output.js';
import { PauseForm } from './pause-form.js';

/** @typedef {import('../index.js').Run} Run */
/** @typedef {import('../index.js').RunView} RunView */

/** @param {number} ms @returns {string} `0:07`, `12:34`, `1:02:03` */
function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** How long a run took, in ms, if that is known. @param {Run} run */
function durationOf({ durationMs, startedAt, endedAt }) {
  return durationMs ?? (startedAt && endedAt ? Date.parse(endedAt) - Date.parse(startedAt) : null);
}

/** @param {{startedAt: number, endedMs: number | null, ticking: boolean}} props */
function Elapsed({ startedAt, endedMs, ticking }) {
  const { t } = useSim();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    setNow(Date.now());
    if (!ticking) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  const text = clock(endedMs ?? now - startedAt);
  return h('span', { className: 'sim-time', role: 'timer', 'aria-label': `${t.elapsed} ${text}` }, text);
}

/** A pause that waits for a time asks nobody. @param {NonNullable<RunView['run']>} run @param {import('./words.js').Texts} t */
function wordOf(run, t) {
  const waits = run.status === 'paused' && 'paused' in run && run.paused?.kind === 'time';
  return waits ? t.waiting : t.status[run.status];
}

/** @param {{run: import('../react.js').FollowedRun}} props */
function Status({ run: { run, connection, busy } }) {
  const { t } = useSim();
  const status = run?.status ?? (busy === 'start' || connection === 'connecting' ? 'pending' : undefined);
  const word = run ? wordOf(run, t) : status && t.starting;
  // One region that is always there: screen readers announce what changes in it.
  return h(
    'p',
    { className: 'sim-status', role: 'status', 'data-status': status },
    word && h('span', { className: 'sim-badge' }, word),
    connection === 'lost' && h('span', { className: 'sim-small' }, t.lost),
  );
}

/** @param {{run: Run}} props */
function TimePause({ run }) {
  const { t, locale } = useSim();
  const { resumeAt } = run.paused ?? {};
  if (!resumeAt) return null;
  return h('p', null, t.pausedUntil(new Date(resumeAt).toLocaleString(locale)));
}

/** What distinguishes a form from the next: the pause, and whether it is known what it asks. @param {Run} run */
const keyOf = ({ paused, output }) => `${paused?.contextId} ${output !== null}`;

/** Why a run failed, and in which block where that is known. @param {{error: Run['error']}} props */
function Failure({ error }) {
  if (error === null) return null;
  return h(
    'p',
    { className: 'sim-problem' },
    error.blockName && h('strong', null, `${error.blockName}: `),
    error.message,
  );
}

/** @param {import('../react.js').RunCardProps} props */
export function RunCard({ run: followed, title }) {
  const { t, locale } = useSim();
  const id = useId();
  const card = useRef(/** @type {HTMLElement | null} */ (null));
  const { run, busy, blocks, connection, error, startedAt } = followed;
  const full = run && 'output' in run ? run : null;
  const ended = isFinal(run?.status);
  const isPaused = run?.status === 'paused';

  /** The button or form that was used goes away: the card itself takes the focus, so that it is not lost. */
  const acting = (/** @type {Promise<void>} */ done) =>
    done.then(() => {
      if (!document.activeElement || document.activeElement === document.body) card.current?.focus();
    });

  return h(
    'article',
    {
      ref: card,
      className: 'sim sim-card',
      lang: locale,
      tabIndex: -1,
      'aria-labelledby': id,
      'aria-busy': busy !== null || connection === 'connecting',
    },
    h(
      'div',
      { className: 'sim-head' },
      h('p', { id, className: 'sim-title' }, title ?? t.run),
      startedAt !== null &&
        h(Elapsed, { startedAt, endedMs: full && ended ? durationOf(full) : null, ticking: !ended && error === null }),
    ),
    h(Status, { run: followed }),
    h(Blocks, { blocks }),
    full && isPaused && full.paused?.kind === 'time' && h(TimePause, { run: full }),
    full &&
      isPaused &&
      full.paused?.kind !== 'time' &&
      h(PauseForm, {
        // What was filled in for one pause is no answer to the next.
        key: keyOf(full),
        run: full,
        busy: busy === 'resume',
        onAnswer: (input) => acting(followed.resume(input)),
      }),
    full && run?.status === 'failed' && h(Failure, { error: full.error }),
    full && ended && h(Output, { output: full.output, folded: blocks.some(({ text }) => text !== '') }),
    error && h(ErrorNote, { error }),
    run &&
      !ended &&
      h(
        'button',
        {
          type: 'button',
          className: 'sim-button sim-quiet',
          'aria-disabled': busy !== null,
          onClick: () => busy === null && acting(followed.cancel()),
        },
        busy === 'cancel' ? t.cancelling : t.cancel,
      ),
  );
}
