// Asking the server: the one place that knows the caller's key, which lives in this page's memory and nowhere else.

let key = "";

export function useKey(given) {
  key = given.trim();
}

// {ok, code, id, body: parsed JSON or text}. Never throws: a failure has code 0 and words in `problem`.
export async function ask(path, body) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const options = { headers, signal: AbortSignal.timeout(60000), credentials: "omit", cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["content-type"] = "application/json";
  }
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    const type = response.headers.get("content-type") || "";
    const said = type.startsWith("application/json") ? JSON.parse(text) : text;
    const id = response.headers.get("x-request-id");
    return { ok: response.ok, code: response.status, id, body: said, problem: response.ok ? "" : problemOf(response, said) };
  } catch {
    return { ok: false, code: 0, id: null, body: null, problem: "The server could not be reached, or its answer was cut off. Try again." };
  }
}

function problemOf(response, said) {
  if (response.status === 401) return "This key is not known here, or no longer. Check it and try again.";
  const words = said && typeof said.error === "string" ? said.error : `The server answered with code ${response.status}.`;
  const wait = response.headers.get("retry-after");
  return sentence(words) + (wait ? ` Try again in ${wait} s.` : "");
}

export function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
