import { ElMessage, ElMessageBox } from 'element-plus'
import 'element-plus/es/components/message/style/css'
import 'element-plus/es/components/message-box/style/css'
import { ApiError } from '../errors'

/** Says in passing that something was done. */
export function sayDone(sentence: string): void {
  ElMessage({ message: sentence, type: 'success', duration: 2_000 })
}

/** Says what went wrong, with the id to quote; it stays until it is closed. */
export function sayFailed(error: unknown, otherwise: string): void {
  const sentence = error instanceof ApiError ? `${error.message}（${error.requestId ?? error.code}）` : otherwise
  ElMessage({ message: sentence, type: 'error', duration: 0, showClose: true })
}

/** Asks before something that cannot easily be undone. */
export async function ask(sentence: string, yes: string, no: string): Promise<boolean> {
  try {
    await ElMessageBox.confirm(sentence, { confirmButtonText: yes, cancelButtonText: no, type: 'warning' })
    return true
  } catch {
    return false
  }
}
