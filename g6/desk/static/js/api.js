// Questions to the server, each asked once as long as the store does not change.

const kept = new Map();
const MOST = 400;

/** The server's own sentence on why there is no answer. */
export class Refused extends Error {}

/** Ask for JSON; the same question gives the same promise until `forget`. */
export function ask(name, parameters = {}) {
  const address = `/api/${name}?${new URLSearchParams(parameters)}`;
  let answer = kept.get(address);
  if (!answer) {
    answer = fetched(address);
    answer.catch(() => kept.delete(address));
    kept.set(address, answer);
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
  }
  return answer;
}

/** Forget all answers: the store has a new minute, or a day was sealed. */
export const forget = () => kept.clear();

/** State of market and session, always asked anew. */
export const pulse = () => fetched("/api/pulse");

async function fetched(address) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new Refused("The desk's server does not answer. Start it again with g6 desk; this page goes on by itself.");
  }
  const content = await response.json();
  if (!response.ok) throw new Refused(content.error);
  return content;
}
