// Some browsers read the address only after the click has returned.
const KEPT_MS = 10_000

/** Saves a file as a link would: under the server's name, unless the caller has a better one. */
export function saveFile(content: File, name = content.name): void {
  const address = URL.createObjectURL(content)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MS)
}
