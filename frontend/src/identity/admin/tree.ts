import type { Organisation } from '../types'

export interface TreeRow {
  organisation: Organisation
  depth: number
}

/** Parents before their children, siblings as they came; whoever matches is shown with all above them. */
export function treeRows(organisations: Organisation[], wanted: (organisation: Organisation) => boolean): TreeRow[] {
  const known = new Set(organisations.map((organisation) => organisation.id))
  const children = new Map<string | null, Organisation[]>()
  for (const organisation of organisations) {
    const parent = organisation.parent && known.has(organisation.parent) ? organisation.parent : null
    children.set(parent, [...(children.get(parent) ?? []), organisation])
  }
  return below(null, 0)

  function below(parent: string | null, depth: number): TreeRow[] {
    return (children.get(parent) ?? []).flatMap((organisation) => {
      const inner = below(organisation.id, depth + 1)
      return inner.length > 0 || wanted(organisation) ? [{ organisation, depth }, ...inner] : []
    })
  }
}
