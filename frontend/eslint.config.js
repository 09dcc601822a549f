import js from '@eslint/js'
import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import globals from 'globals'
import tseslint from 'typescript-eslint'

/** Directions between the folders, the same as between the Python packages: a neighbour below, never above. */
const BELOW = {
  kernel: [],
  identity: ['kernel'],
  realtime: ['kernel', 'identity'],
  payments: ['kernel', 'identity', 'realtime'],
  canteen: ['kernel', 'identity', 'realtime', 'payments'],
  repairs: ['kernel', 'identity', 'realtime', 'payments'],
  booking: ['kernel', 'identity', 'realtime', 'payments'],
}
const FOLDERS = [...Object.keys(BELOW), 'app']

const directions = Object.entries(BELOW).map(([folder, allowed]) => ({
  files: [`src/${folder}/**`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: FOLDERS.filter((other) => other !== folder && !allowed.includes(other)).map((other) => ({
          group: [`@/${other}/*`, `**/../${other}/*`],
          message: `${folder} may not import ${other}: app > canteen | repairs | booking > payments > realtime > identity > kernel.`,
        })),
      },
    ],
  },
}))

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'src/generated/'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  ...vue.configs['flat/recommended'],
  // Layout is Prettier's matter.
  prettier,
  {
    files: ['**/*.{ts,vue}'],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { parser: tseslint.parser },
    },
    rules: {
      // TypeScript itself reports unknown names.
      'no-undef': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      // Optional booleans default to false in Vue; writing it out says nothing more.
      'vue/require-default-prop': 'off',
    },
  },
  { files: ['*.{js,ts}', 'scripts/**'], languageOptions: { globals: globals.node } },
  {
    files: ['src/kernel/serviceWorker.js'],
    languageOptions: { globals: { ...globals.serviceworker, __VERSION__: 'readonly', __FILES__: 'readonly' } },
  },
  ...directions,
)
