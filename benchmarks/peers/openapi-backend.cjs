// openapi-backend routes, validates and mocks; reading the body and writing the answer are the application's part.
const http = require("node:http");
const { OpenAPIBackend } = require("openapi-backend");
const addFormats = require("ajv-formats");

const [spec, port] = process.argv.slice(2);
const api = new OpenAPIBackend({
  definition: spec,
  customizeAjv: (ajv) => (addFormats.default || addFormats)(ajv),
});

function send(response, status, value, headers = {}) {
  const body = JSON.stringify(value);
  const fields = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers };
  response.writeHead(status, fields).end(body);
}

const error = (status, message) => ({ code: String(status), message, status });

api.registerSecurityHandler("token", (context) => Boolean(context.request.headers.token));
api.register({
  validationFail: (context, request, response) =>
    send(response, 400, error(400, JSON.stringify(context.validation.errors))),
  unauthorizedHandler: (context, request, response) => send(response, 401, error(401, "no token")),
  methodNotAllowed: (context, request, response) => send(response, 405, error(405, "no such method"), { Allow: "PUT" }),
  notFound: (context, request, response) => send(response, 404, error(404, "no such path")),
  notImplemented: (context, request, response) => {
    const { status, mock } = context.api.mockResponseForOperation(context.operation.operationId);
    send(response, status, mock);
  },
});

api.init().then(() => {
  http
    .createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const { method, url: path, headers } = request;
        const body = Buffer.concat(chunks).toString();
        api.handleRequest({ method, path, headers, body }, request, response).catch((failure) => {
          send(response, 500, error(500, String(failure)));
        });
      });
    })
    .listen(Number(port), "127.0.0.1");
});
