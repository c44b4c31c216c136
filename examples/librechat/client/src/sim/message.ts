// How a run gets into a message: as a fenced block `simrun` with the run's id, which MarkdownComponents draws as a card.

/** LibreChat's chat input: `mainTextareaId` of `~/common`. */
const INPUT = 'prompt-textarea';

/**
 * Puts the block at the end of the message that is being written; what has been written stays.
 *
 * @returns false when no chat is open
 */
export function addToMessage(runId: string): boolean {
  const input = document.getElementById(INPUT) as HTMLTextAreaElement | null;
  if (!input) return false;
  const end = input.value.length;
  const before = end > 0 && !input.value.endsWith('\n') ? '\n' : '';
  input.setRangeText(`${before}\`\`\`simrun\n${runId}\n\`\`\`\n`, end, end, 'end');
  // LibreChat's form hears of it as it hears of typing.
  input.dispatchEvent(new Event('input', { bubbles: true }));
  input.focus();
  return true;
}
