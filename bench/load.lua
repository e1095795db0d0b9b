-- A script for wrk: requests the URLs in the file BENCH_PATHS in turn, and prints the
-- result as one JSON object.
local requests, last, waits = {}, 0, tonumber(os.getenv("BENCH_DELAY") or "0")

function init()
   local headers = {}
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

function done(summary)
   io.write(string.format(
      '{"requests": %d, "bytes": %d, "microseconds": %d, "refused": %d, '
      .. '"broken": %d}\n',
      summary.requests, summary.bytes, summary.duration, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout))
end
