"""Stock of a small shop."""

from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float
    quantity: int = 0


@dataclass
class Inventory:
    stock: dict[str, Item] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        self.stock[item.name] = item

    def remove(self, name: str) -> Item:
        return self.stock.pop(name)

    def total_value(self) -> float:
        """The value of everything in stock."""


def cheapest(items, limit, currency):
    result = []
    for item in items:
        if item.quantity > 0:
            result.append(item)
    for i in range(len(result)):
        for j in range(len(result) - 1):
            if result[j].price > result[j + 1].price:
                temporary = result[j]
                result[j] = result[j + 1]
                result[j + 1] = temporary
    lines = []
    for item in result[0:limit]:
        lines.append(item.name + ": " + str(item.price) + " " + currency)
    return lines
