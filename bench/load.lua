-- For wrk: asks for the URLs in the file BENCH_PATHS in turn, with the headers in
-- BENCH_HEADERS, and prints what came as one JSON object.
local requests, last, waits = {}, 0, tonumber(os.getenv("BENCH_DELAY") or "0")

function init()
   local headers = {}
   for name, value in (os.getenv("BENCH_HEADERS") or ""):gmatch("([^:\n]+): ([^\n]*)") do
      headers[name] = value
   end
   for line in io.lines(os.getenv("BENCH_PATHS")) do
      local path, range = line:match("^(%S+) ?(.*)$")
      headers["Range"] = range ~= "" and range or nil
      requests[#requests + 1] = wrk.format("GET", path, headers)
   end
end

function request()
   last = last % #requests + 1
   return requests[last]
end

if waits > 0 then
   function delay() return waits end
end

function done(summary, latency)
   io.write(string.format(
      '{"requests": %d, "bytes": %d, "microseconds": %d, "median": %d, "p99": %d, '
      .. '"refused": %d, "broken": %d}\n',
      summary.requests, summary.bytes, summary.duration,
      latency:percentile(50), latency:percentile(99), summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
