/** Asks before something that matters; the dialog is fetched when it is first needed. */
export async function confirm(message: string, yes: string, no: string): Promise<boolean> {
  const [{ showConfirmDialog }] = await Promise.all([import('vant'), import('vant/es/dialog/style')])
  return showConfirmDialog({ message, confirmButtonText: yes, cancelButtonText: no }).then(
    () => true,
    () => false,
  )
}
