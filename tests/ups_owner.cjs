// The owner of a worklist made of dcmjs-dimse, which nobody here wrote: keeps work items, and prints each request with
// its answer as a line of JSON.
const path = require('path')
const dimse = require(path.join(process.argv[2], 'dcmjs-dimse'))
const { PresentationContextResult, TransferSyntax } = dimse.constants
dimse.log.level = 'error'
const UPS = '1.2.840.10008.5.1.4.34.6.'
const items = new Map()

function change(item, asked) {
  const wanted = asked.ProcedureStepState
  if (item.state === 'SCHEDULED') {
    if (wanted !== 'IN PROGRESS') return 0xc310
    Object.assign(item, { state: wanted, key: asked.TransactionUID })
    return 0
  }
  if (asked.TransactionUID !== item.key) return 0xc301
  if (item.state !== 'IN PROGRESS') return 0xc300
  if (wanted === 'IN PROGRESS') return 0xc302
  if (wanted === 'COMPLETED' && !item.elements.UnifiedProcedureStepPerformedProcedureSequence) return 0xc304
  item.state = wanted
  return 0
}

function set(item, said) {
  if (item.state === 'SCHEDULED' ? said.TransactionUID : said.TransactionUID !== item.key) return 0xc301
  if (item.state !== 'SCHEDULED' && item.state !== 'IN PROGRESS') return 0xc300
  Object.assign(item.elements, said)
  return 0
}

function cancel(item) {
  if (item.state === 'COMPLETED') return 0xc311
  item.state = 'CANCELED'
  return 0
}

class Owner extends dimse.Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id)
      const ours = context.getAbstractSyntaxUid().startsWith(UPS)
      if (ours) context.setResult(PresentationContextResult.Accept, TransferSyntax.ExplicitVRLittleEndian)
      else context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported)
    }
    this.sendAssociationAccept()
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse()
  }

  told(what, uid, said, status) {
    const { state, elements = {} } = items.get(uid) || {}
    console.log(JSON.stringify({ what, uid, said, status, state, elements }))
  }

  nCreateRequest(request, answer) {
    const uid = request.getAffectedSopInstanceUid()
    const elements = request.getDataset().getElements()
    const known = items.has(uid)
    if (!known) items.set(uid, { state: 'SCHEDULED', elements })
    const response = dimse.responses.NCreateResponse.fromRequest(request)
    response.setStatus(known ? 0x0111 : 0)
    this.told('N-CREATE', uid, elements, known ? 0x0111 : 0)
    answer(response)
  }

  nSetRequest(request, answer) {
    this.done('N-SET', request, dimse.responses.NSetResponse, set, answer)
  }

  nActionRequest(request, answer) {
    const act = request.getActionTypeId() === 1 ? change : cancel
    this.done(`N-ACTION ${request.getActionTypeId()}`, request, dimse.responses.NActionResponse, act, answer)
  }

  done(what, request, Response, act, answer) {
    const uid = request.getRequestedSopInstanceUid()
    const said = request.getDataset().getElements()
    const status = items.has(uid) ? act(items.get(uid), said) : 0xc307
    const response = Response.fromRequest(request)
    response.setStatus(status)
    this.told(what, uid, said, status)
    answer(response)
  }
}

const server = new dimse.Server(Owner)
server.listen(Number(process.argv[3]))
console.log(JSON.stringify({ listening: true }))
