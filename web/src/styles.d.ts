/** A style sheet that is loaded when it is needed: where it is. */
declare module '*.css?url' {
  const address: string
  export default address
}
