// A run as a card: status, time, what it says, what it asks, how to stop it. It draws a followed run and knows no client.

import { createElement as h, useEffect, useId, useRef, useState } from 'react';

import { isFinal } from '../index.js';
import { useSim } from './context.js';
import { ErrorNote } from './error-note.js';
import { Blocks, Output } from './output.js';
import { PauseForm } from './pause-form.js';

/** @param {number} ms @returns {string} `0:07`, `12:34`, `1:02:03` */
function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** @param {{startedAt: number, endedMs: number | null | undefined, ticking: boolean}} props */
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

/** @param {{run: import('../react.js').FollowedRun}} props */
function Status({ run: { run, connection, busy } }) {
  const { t } = useSim();
  const status = run?.status ?? (busy === 'start' || connection === 'connecting' ? 'pending' : undefined);
  const word = run ? t.status[run.status] : status && t.starting;
  // One region that is always there: screen readers announce what changes in it.
  return h(
    'p',
    { className: 'sim-status', role: 'status', 'data-status': status },
    word && h('span', { className: 'sim-badge' }, word),
    connection === 'lost' && h('span', { className: 'sim-small' }, t.lost),
  );
}

/** @param {{run: import('../index.js').Run}} props */
function TimePause({ run }) {
  const { t, locale } = useSim();
  const { resumeAt } = run.paused ?? {};
  if (!resumeAt) return null;
  return h('p', null, t.pausedUntil(new Date(resumeAt).toLocaleString(locale)));
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
        h(Elapsed, { startedAt, endedMs: ended ? full?.durationMs : null, ticking: !ended && error === null }),
    ),
    h(Status, { run: followed }),
    h(Blocks, { blocks }),
    full && isPaused && full.paused?.kind === 'time' && h(TimePause, { run: full }),
    full &&
      isPaused &&
      full.paused?.kind !== 'time' &&
      h(PauseForm, { run: full, busy: busy === 'resume', onAnswer: (input) => acting(followed.resume(input)) }),
    full && run?.status === 'failed' && h('p', { className: 'sim-problem' }, full.error?.message),
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
