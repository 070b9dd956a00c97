// The spec as reference documentation.

import { $, code, h } from "./dom.js";
import { at, content, operations, pretty, properties, resolve } from "./spec.js";

const EVIDENCE = {
  D: "documented for this operation",
  V: "documented by the vendor elsewhere",
  S: "seen in a public sister service",
  I: "inferred, not confirmed",
};

const places = new Map(); // JSON pointer → id of the element that describes it
let count = 0;

/** Remember which places of the spec an element describes. */
function describes(element, ...pointers) {
  element.id ||= `spec-${++count}`;
  for (const pointer of pointers) if (!places.has(pointer)) places.set(pointer, element.id);
  return element;
}

/** The id of the element that describes a place of the spec, or the nearest one above it. */
export function place(pointer) {
  for (let parts = pointer.split("/"); parts.length > 1; parts = parts.slice(0, -1)) {
    const id = places.get(parts.join("/"));
    if (id !== undefined) return id;
  }
  return undefined;
}

const evidence = (node, fallback) => {
  const letter = node["x-evidence"] ?? fallback;
  if (letter === undefined) return undefined;
  return h("span", { class: "evidence", title: EVIDENCE[letter] ?? "" }, h("span", { class: "unseen" }, "evidence "), letter);
};

function kind(schema) {
  if (schema === undefined) return "";
  const { type, items, format } = schema;
  const name = type === "array" ? `array of ${items?.type ?? "values"}` : type ?? "any";
  return format ? `${name}, ${format}` : name;
}

const values = (list) => list.flatMap((value, index) => [index > 0 && ", ", h("code", {}, pretty(value))]);

/** The rules of a schema: [name, what to show]. */
function rules(schema) {
  const found = [];
  if (schema.pattern !== undefined) found.push(["pattern", h("code", {}, schema.pattern)]);
  if (schema.enum !== undefined) found.push(["one of", values(schema.enum)]);
  for (const name of ["minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "multipleOf", "default"]) {
    if (schema[name] !== undefined) found.push([name, h("code", {}, pretty(schema[name]))]);
  }
  if (schema["x-before"] !== undefined) found.push(["before", h("code", {}, schema["x-before"])]);
  if (schema.nullable) found.push(["may be", h("code", {}, "null")]);
  return found;
}

/** One parameter, field or header. */
function entry({ name, where, required, schema, description, example, holder, standard, pointers }) {
  const deprecated = (holder?.deprecated || schema?.deprecated) && "deprecated";
  const shown = [...rules(schema ?? {})];
  if (example !== undefined) shown.push(["example", h("code", {}, pretty(example))]);
  return describes(
    h("li", { class: "entry", tabindex: -1 },
      h("div", {},
        h("code", { class: "name" }, name),
        h("p", { class: "muted" },
          [kind(schema), where, required ? "required" : "optional", deprecated].filter(Boolean).join(" · "), " ", evidence(holder, standard))),
      h("div", {},
        description && h("p", {}, description),
        shown.length > 0 && h("dl", {}, shown.map(([title, value]) => h("div", {}, h("dt", {}, title), h("dd", {}, value)))))),
    ...pointers);
}

/** The fields of a schema, nested ones with their path as the name. */
function fields(document, schema, standard, prefix = "", above = []) {
  return properties(document, schema).flatMap(([name, property, required]) => {
    const { node, pointer, places: pointers } = property;
    const own = entry({
      name: prefix + name, required, schema: node, description: node.description, example: node.example,
      holder: node, standard, pointers,
    });
    if (above.includes(pointer)) return [own];
    const inner = node.type === "array" ? resolve(document, node.items ?? {}, at(pointer, "items")) : property;
    const path = `${prefix}${name}${node.type === "array" ? "[]" : ""}.`;
    return [own, ...fields(document, inner, standard, path, [...above, pointer])];
  });
}

function body(document, holder, standard) {
  const found = content(document, holder);
  if (found === undefined) return [];
  const { type, schema, examples } = found;
  // What is known of a schema is known of its fields, unless one says something else.
  const known = standard && (schema?.node["x-evidence"] ?? standard);
  const list = schema === undefined ? [] : fields(document, schema, known);
  return [
    h("p", {}, h("code", {}, type), schema && `: ${schema.node.title ?? kind(schema.node)}`,
      schema?.node.description && h("span", { class: "muted" }, ` ${schema.node.description}`)),
    list.length > 0 && h("ul", { class: "entries" }, list),
    ...examples.map(({ summary, value }) => h("figure", {}, h("figcaption", {}, summary), code(pretty(value), summary))),
  ].filter(Boolean);
}

function response(document, operation, status, node, standard) {
  const resolved = resolve(document, node, at(operation.pointer, "responses", status));
  const kinds = { 2: "ok", 4: "refused", 5: "refused" };
  return describes(
    h("details", { class: "response" },
      h("summary", {}, h("span", { class: `badge ${kinds[status[0]] ?? "ok"}` }, status), " ",
        h("span", {}, resolved.node.description ?? ""), " ", evidence(resolved.node, standard)),
      h("div", { class: "inside" }, body(document, resolved, standard))),
    ...resolved.places);
}

function article(document, operation, standard) {
  const { node, method, template, parameters, security } = operation;
  const heading = h("h3", { tabindex: -1 }, node.summary ?? operation.id);
  describes(heading, operation.pointer, operation.itemPointer, "#/paths");
  return h("article", {},
    heading,
    h("p", { class: "path" }, h("span", { class: "method" }, method), " ", h("code", {}, template),
      node.deprecated && h("span", { class: "muted" }, " · deprecated")),
    h("p", {}, node.description ?? "", " ", evidence(node, standard)),
    security.length > 0 && h("h4", {}, "Authentication"),
    security.length > 0 && h("ul", { class: "entries" }, security.map((scheme) => entry({
      name: scheme.node.name ?? scheme.node.scheme ?? "", where: scheme.node.in ?? scheme.node.type, required: true,
      schema: { type: "string" }, description: scheme.node.description, holder: scheme.node, standard, pointers: scheme.places,
    }))),
    parameters.length > 0 && h("h4", {}, "Parameters"),
    parameters.length > 0 && h("ul", { class: "entries" }, parameters.map((parameter) => {
      const { name, required, description, example, schema } = parameter.node;
      const resolved = resolve(document, schema ?? {}, at(parameter.pointer, "schema"));
      return entry({
        name, where: `in ${parameter.node.in}`, required, schema: resolved.node, description,
        example: example ?? resolved.node.example, holder: parameter.node, standard, pointers: parameter.places,
      });
    })),
    operation.body && describes(h("h4", { tabindex: -1 }, "Body", h("span", { class: "muted" }, operation.body.node.required ? " · required" : " · optional")), ...operation.body.places),
    operation.body && body(document, operation.body, standard),
    h("h4", {}, "Responses"),
    Object.entries(node.responses ?? {}).map(([status, value]) => response(document, operation, status, value, standard)));
}

/** Draw the whole document. */
export function setUp(document) {
  // A document without a word on evidence needs no legend, and no letter where nothing is said.
  const told = JSON.stringify(document).includes('"x-evidence"');
  const standard = told ? "D" : undefined;
  const legend = Object.entries(EVIDENCE).map(([letter, words]) => h("li", {}, h("b", {}, letter), ` ${words}`));
  $("reference-content").replaceChildren(...[
    h("p", {}, document.info.description ?? ""),
    (document.servers ?? []).length > 0 && h("ul", { class: "servers" }, document.servers.map(({ url, description }) =>
      h("li", {}, h("code", {}, url), description && h("span", { class: "muted" }, ` ${description}`)))),
    told && h("ul", { class: "evidences", "aria-label": "Evidence" }, legend),
    ...operations(document).map((operation) => article(document, operation, standard)),
  ].filter(Boolean));
}
