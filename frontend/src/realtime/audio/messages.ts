/** Words of talking in a call. */
export const zh = {
  audio: {
    title: '语音',
    call: '语音通话',
    calling: '正在请对方接听…',
    invited: '对方想和您通话',
    accept: '接听',
    decline: '先不接',
    cancel: '取消',
    connecting: '正在接通…',
    talking: '通话中 {time}',
    mute: '静音',
    unmute: '取消静音',
    muted: '已静音，对方听不到您',
    hangUp: '挂断',
    again: '再试一次',
    failures: {
      denied: '浏览器没有使用麦克风的许可。请在地址栏旁允许麦克风，或用文字、电话继续。',
      no_microphone: '没有找到麦克风。请用文字或电话继续。',
      no_way: '语音没有接通。请用文字或电话继续。',
      unavailable: '语音暂时不可用。请用文字或电话继续。',
    },
  },
}

export const en: typeof zh = {
  audio: {
    title: 'Voice',
    call: 'Talk',
    calling: 'Asking the other side to answer…',
    invited: 'The other side would like to talk',
    accept: 'Answer',
    decline: 'Not now',
    cancel: 'Cancel',
    connecting: 'Connecting…',
    talking: 'Talking {time}',
    mute: 'Mute',
    unmute: 'Unmute',
    muted: 'Muted: you are not heard',
    hangUp: 'Hang up',
    again: 'Try again',
    failures: {
      denied:
        'The browser may not use the microphone. Allow it beside the address bar, or go on in writing or by telephone.',
      no_microphone: 'No microphone was found. Please go on in writing or by telephone.',
      no_way: 'No connection could be made. Please go on in writing or by telephone.',
      unavailable: 'Voice is not available now. Please go on in writing or by telephone.',
    },
  },
}
