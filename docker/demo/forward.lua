-- Forward every image to auscult; what auscult sent comes back to it, is recorded there, and goes no further.
function OnStoredInstance(instanceId, tags, metadata, origin)
  SendToModality(instanceId, 'auscult')
end
