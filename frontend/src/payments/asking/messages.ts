/** Words of every form that sends money once: the amount, and what is said where it came to nothing. */
export const zh = {
  asking: {
    amount: '金额（元）',
    tooMuch: '请输入 0.01 到 10,000.00 之间的金额',
    noAnswer: '没有收到答复',
    noAnswerHint: '用同一个单号再试，不会重复扣款。',
    sameAgain: '用同一单号再试',
  },
}

export const en: typeof zh = {
  asking: {
    amount: 'Amount (yuan)',
    tooMuch: 'Type an amount from 0.01 to 10,000.00',
    noAnswer: 'No answer came',
    noAnswerHint: 'Trying again under the same number never charges twice.',
    sameAgain: 'Try the same again',
  },
}
