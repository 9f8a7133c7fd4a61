-- wrk calls done() once; the histogram leaves as [value_us, count] pairs, so that slices can be merged.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('SHOWDOWN {"duration_us":%d,"requests":%d,"bytes":%d,', summary.duration, summary.requests,
    summary.bytes))
  io.write(string.format('"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},"latency":[', e.connect,
    e.read, e.write, e.status, e.timeout))
  for i = 1, #latency do
    local value, count = latency(i)
    if i > 1 then io.write(",") end
    io.write(string.format("[%d,%d]", value, count))
  end
  io.write("]}\n")
end
