// Reading the OpenAPI document: references, operations, fields.

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const escape = (part) => part.replaceAll("~", "~0").replaceAll("/", "~1");
const unescape = (part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");

export const at = (pointer, ...parts) => [pointer, ...parts.map((part) => escape(String(part)))].join("/");

/** Follow references; returns what stands there and every place passed on the way. */
export function resolve(document, node, pointer) {
  const places = [pointer];
  for (let turn = 0; turn < 100 && typeof node?.$ref === "string"; turn++) {
    pointer = node.$ref;
    node = pointer.split("/").slice(1).map(unescape).reduce((value, part) => value?.[part], document);
    places.push(pointer);
  }
  return { node: node ?? {}, pointer, places };
}

/** The operations, with their parameters, body and security resolved. */
export function operations(document) {
  const found = [];
  for (const [template, entry] of Object.entries(document.paths ?? {})) {
    const item = resolve(document, entry, at("#", "paths", template));
    for (const method of METHODS.filter((name) => name in item.node)) {
      const node = item.node[method];
      const pointer = at(item.pointer, method);
      const parameters = new Map();
      for (const [owner, place] of [[item.node, item.pointer], [node, pointer]]) {
        (owner.parameters ?? []).forEach((parameter, index) => {
          const resolved = resolve(document, parameter, at(place, "parameters", index));
          parameters.set(`${resolved.node.in} ${resolved.node.name}`, resolved);
        });
      }
      const security = (node.security ?? document.security ?? []).flatMap((alternative) => Object.keys(alternative));
      found.push({
        id: node.operationId ?? `${method.toUpperCase()} ${template}`,
        method: method.toUpperCase(),
        template,
        node,
        pointer,
        itemPointer: item.pointer,
        parameters: [...parameters.values()],
        body: node.requestBody && resolve(document, node.requestBody, at(pointer, "requestBody")),
        security: [...new Set(security)].map((name) =>
          resolve(document, document.components?.securitySchemes?.[name], at("#", "components", "securitySchemes", name)),
        ),
      });
    }
  }
  return found;
}

/** The properties of a schema, those inside `allOf` and its like included: [name, resolved, required]. */
export function properties(document, schema, seen = new Set()) {
  if (seen.has(schema.pointer)) return [];
  seen.add(schema.pointer);
  const { node, pointer } = schema;
  const own = Object.entries(node.properties ?? {}).map(([name, value]) => [
    name,
    resolve(document, value, at(pointer, "properties", name)),
    (node.required ?? []).includes(name),
  ]);
  const parts = ["allOf", "oneOf", "anyOf"].flatMap((key) =>
    (node[key] ?? []).flatMap((part, index) => properties(document, resolve(document, part, at(pointer, key, index)), seen)),
  );
  return [...own, ...parts];
}

/** The first media type of a body or response, with its schema and examples. */
export function content(document, holder) {
  const [type] = Object.keys(holder?.node.content ?? {});
  if (type === undefined) return undefined;
  const pointer = at(holder.pointer, "content", type);
  const node = holder.node.content[type];
  const examples = Object.entries(node.examples ?? {}).map(([name, value]) => {
    const example = resolve(document, value, at(pointer, "examples", name)).node;
    return { name, summary: example.summary ?? name, value: example.value };
  });
  if (node.example !== undefined) examples.unshift({ name: "example", summary: "Example", value: node.example });
  return { type, pointer, examples, schema: node.schema && resolve(document, node.schema, at(pointer, "schema")) };
}

/** What stands for a value in a request that is only an example. */
export const sample = ({ node }) => String(node.example ?? node.schema?.example ?? node.schema?.enum?.[0] ?? "");

/** Whether a body is JSON's. */
export const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
