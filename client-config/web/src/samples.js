/** What the editor shows first, for each language. */
export const samples = {
  python: {
    name: "Python",
    file: "shop.py",
    text: `"""A shop and what is in it."""


def price_of(item):
    """The price of an item, with tax."""
    return item.net * (1 + item.tax)


def total(items):
    """The sum of the prices of all items."""
    `,
  },
  typescript: {
    name: "TypeScript",
    file: "shop.ts",
    text: `interface Item {
  net: number;
  tax: number;
}

/** The price of an item, with tax. */
function priceOf(item: Item): number {
  return item.net * (1 + item.tax);
}

/** The sum of the prices of all items. */
function total(items: Item[]): number {
  `,
  },
  go: {
    name: "Go",
    file: "shop.go",
    text: `package shop

type Item struct {
	Net, Tax float64
}

// PriceOf is the price of an item, with tax.
func PriceOf(item Item) float64 {
	return item.Net * (1 + item.Tax)
}

// Total is the sum of the prices of all items.
func Total(items []Item) float64 {
	`,
  },
};
