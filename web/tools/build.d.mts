export function buildPages(dist: string): Promise<{ name: string; compressed: number }[]>
