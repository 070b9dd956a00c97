// The admin interface of the server that sent this page.

async function call(path, options) {
  const answer = await fetch(`/_mock/${path}`, { cache: "no-store", signal: AbortSignal.timeout(10_000), ...options });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.message ?? `status ${answer.status}`);
  return value;
}

export const get = (path) => call(path, {});

export const change = (method, path, body) =>
  call(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
