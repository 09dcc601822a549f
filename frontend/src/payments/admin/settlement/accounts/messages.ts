/** Words of the parties' bank accounts. */
export const zh = {
  accounts: {
    title: '银行账户',
    lead: '付款指令按这里的账户写；缺一个账户，这家的款就付不出去。修改都有记录。',
    party: '谁的',
    kind: { region: '地区', canteen: '食堂', unit: '单位', other: '经营方' },
    name: '户名',
    number: '账号',
    bankNumber: '联行号',
    bankNumberHint: '12 位数字，在开户行可以查到。',
    bank: '开户行',
    missing: '未登记',
    missingCount: '还缺 {count} 个账户',
    complete: '都已登记',
    enter: '登记',
    change: '修改',
    none: '这个地区还没有食堂和单位',
    noneHint: '先在“机构”和“食堂”里建立，再回来登记账户。',
    bad: '户名和开户行要填，账号 4 到 34 位，联行号正好 12 位数字。',
  },
}

export const en: typeof zh = {
  accounts: {
    title: 'Bank accounts',
    lead: 'Bank instructions are written to these. Where one is missing, that party cannot be paid. Each change is logged.',
    party: 'Whose',
    kind: { region: 'Region', canteen: 'Canteen', unit: 'Unit', other: 'Operator' },
    name: 'Account name',
    number: 'Account number',
    bankNumber: 'Bank number',
    bankNumberHint: 'The 12 digits of the interbank directory; the branch knows them.',
    bank: 'Bank',
    missing: 'missing',
    missingCount: '{count} accounts missing',
    complete: 'All are known',
    enter: 'Enter',
    change: 'Change',
    none: 'This region has no canteens or units yet',
    noneHint: 'Make them under Organisations and Canteens, then enter their accounts here.',
    bad: 'Both names are needed, the account number has 4 to 34 characters, the bank number exactly 12 digits.',
  },
}
