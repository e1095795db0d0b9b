// Signed URLs in Node, written from docs/links.md alone.
//
//     import { mint } from "./mint.mjs";
//     mint("docs01:SECRET", { issued, expires: null }, "a.txt", "https://files.example.com");
//
// As a program it reads a JSON array of {key, claims, path, base} from its
// standard input and prints one URL a line.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const SALT = "accel-gateway.signed-url.1";
const LAST_SECOND = 253402300799;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/**
 * Return the URL of path, which is relative and not encoded.
 *
 * key is "id:secret", or "id?restriction:secret".  claims has issued, expires (null: never) and, where
 * wanted, not_before, depth, presentation ("inline" or "attachment"), name,
 * rate, shared (true), upload and networks (an array, written as docs/links.md has
 * it: that is not checked here).  Throws a RangeError for what must not be signed.
 */
export function mint(key, claims, path, base = "") {
  const [, id, restriction, secret] = key.match(/^([^?:]*)(?:\?([^:]*))?:(.*)$/s);
  check(claims, path);
  if (restriction !== undefined) checkKey(restriction, claims, path);
  const text = write(id, claims);
  require(text.length <= 1024, "the claims are too long");
  const derived = hmac(secret, SALT);
  const message = `${text}/${covered(path, claims.depth)}`;
  const mac = hmac(derived, message).subarray(0, 16).toString("base64url");
  return `${base}/s/${text}.${mac}/${encode(path)}`;
}

function check(claims, path) {
  const { issued, expires, not_before: notBefore, depth } = claims;
  const { presentation, name, rate, shared, networks, upload } = claims;
  require(expires !== undefined, "say that it never expires: null");
  const times = [issued, expires ?? 1, notBefore ?? 1];
  require(times.every((t) => isNumber(t, 1, LAST_SECOND)), "not a time");
  require(expires == null || expires > issued, "over when it is issued");
  require(expires == null || (notBefore ?? 0) < expires, "over when it begins");
  require(rate == null || isNumber(rate, 1), "not a rate");
  require(depth == null || (isNumber(depth, 0) && name == null), "not a depth");
  require(name == null || isName(name), "not a name");
  require([undefined, null, "inline", "attachment"].includes(presentation), "not a presentation");
  require(upload == null || (/^[a-z2-7]{26}$/.test(upload) && depth == null), "not an upload");
  require(upload == null || !path.includes("/"), "an upload's path is its name");
  require((networks ?? []).length <= 16, "too many networks");
  require(!(shared && networks?.length), "a shared cache does not know networks");
  const inner = depth == null ? path : path.replace(/\/$/, "");
  const isPlain = !inner.split("/").some((segment) => ["", ".", ".."].includes(segment));
  require(isPlain || (path === "" && depth === 0), "not a plain path");
  require(path.split("/").length > (depth ?? 0), "the path is above its folder");
  require(path.isWellFormed() && !path.includes("\0"), "not a path");
}

function checkKey(restriction, { issued, expires, depth, shared, upload }, path) {
  const fields = restriction.split("&").map((field) => field.split("="));
  const said = (name) => fields.filter((field) => field[0] === name).map((field) => decodeURIComponent(field[1]));
  const known = fields.every(([name]) => ["prefix", "max-life", "only", "shared"].includes(name));
  require(known, "a restriction that is not known");
  require(!shared || said("shared")[0] === "yes", "the key signs nothing shared");
  const [prefixes, [life], [only]] = [said("prefix"), said("max-life"), said("only")];
  require(only === undefined || only === (upload == null ? "files" : "uploads"), "not what the key may sign");
  require(life === undefined || (expires != null && expires - issued <= Number(life)), "a life beyond the key's");
  const inside = upload == null && prefixes.some((prefix) => covered(path, depth).startsWith(prefix));
  require(prefixes.length === 0 || inside, "not in the key's folders");
}

function write(keyId, claims) {
  const { issued, expires, not_before: notBefore, depth } = claims;
  const { presentation, name, rate, shared, networks, upload } = claims;
  const fields = [
    ["k", keyId],
    ["a", networks?.length ? pack(networks.join(",")) : null],
    ["b", notBefore],
    ["d", depth],
    ["e", expires ?? 0],
    ["i", issued],
    ["n", name == null ? null : pack(name)],
    ["p", presentation?.slice(0, 1)],
    ["r", rate],
    ["s", shared ? 1 : null],
    ["u", upload],
  ];
  return fields
    .filter(([, value]) => value != null)
    .map(([letter, value]) => letter + value)
    .join(".");
}

function covered(path, depth) {
  if (depth == null) return path;
  const folders = path.split("/").slice(0, depth);
  return folders.map((segment) => `${segment}/`).join("");
}

// encodeURIComponent leaves !'()* as they are, and mail clients damage them.
function encode(path) {
  const hex = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  const segments = path.split("/").map(encodeURIComponent);
  return segments.join("/").replace(/[!'()*]/g, hex);
}

function isNumber(value, least, most = Number.MAX_SAFE_INTEGER) {
  return Number.isInteger(value) && value >= least && value <= most;
}

function isName(name) {
  const size = Buffer.byteLength(name);
  return name.isWellFormed() && size >= 1 && size <= 255 && !name.includes("/") && !CONTROL.test(name);
}

function hmac(key, message) {
  return createHmac("sha256", key).update(message).digest();
}

function pack(text) {
  return Buffer.from(text).toString("base64url");
}

function require(isGood, fault) {
  if (!isGood) throw new RangeError(fault);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const { key, claims, path, base } of JSON.parse(readFileSync(0, "utf8"))) {
    console.log(mint(key, claims, path, base));
  }
}
