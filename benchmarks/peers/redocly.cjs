// Redocly's mock server is a function from a request to an answer; Node's own HTTP server calls it here.
const http = require("node:http");
const { createMockServer } = require("@redocly/mock-server");

const [spec, port] = process.argv.slice(2);
console.log = () => {}; // it prints each refusal

createMockServer(spec).then((answer) => {
  http
    .createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", async () => {
        const [path, query] = request.url.split("?", 2);
        const { method, headers } = request;
        const result = await answer({ path, query, method, headers, getBody: () => Buffer.concat(chunks).toString() });
        response.writeHead(result.statusCode, result.headers).end(result.body);
      });
    })
    .listen(Number(port), "127.0.0.1");
});
