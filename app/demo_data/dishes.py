"""What the kitchens of the demo province cook. Figures are for one portion and rounded; they are there to be looked at."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class DishPlan:
    """A dish before it is opened. `facts`: kcal, protein g, fat g, carbohydrate g, sodium mg."""

    name_zh: str
    name_en: str
    category: str
    price_fen: int
    facts: tuple[int, int, int, int, int]
    allergens: tuple[str, ...] = ()

    @property
    def nutrition(self) -> dict[str, int | None]:
        names = ("energy_kcal", "protein_g", "fat_g", "carbohydrate_g", "sodium_mg")
        return dict(zip(names, self.facts, strict=True))


D = DishPlan
BREAKFAST: Final = (
    D("鲜肉包", "Pork bun", "staple", 200, (230, 9, 8, 30, 420), ("gluten", "soy")),
    D("青菜香菇包", "Greens and mushroom bun", "staple", 150, (180, 6, 4, 31, 360), ("gluten",)),
    D("小米粥", "Millet congee", "staple", 150, (120, 3, 1, 25, 10)),
    D("现磨豆浆", "Fresh soy milk", "drink", 150, (95, 7, 4, 8, 15), ("soy",)),
    D("茶叶蛋", "Tea egg", "snack", 150, (78, 7, 5, 1, 280), ("eggs", "soy")),
    D("葱油拌面", "Scallion oil noodles", "staple", 500, (410, 11, 13, 62, 760), ("gluten", "soy")),
    D("油条", "Fried dough stick", "snack", 200, (240, 5, 12, 28, 390), ("gluten",)),
    D("鲜牛奶", "Milk", "drink", 300, (130, 7, 7, 10, 105), ("milk",)),
)
MEATS: Final = (
    D("东坡肉", "Dongpo pork", "meat", 900, (520, 18, 44, 12, 780), ("soy",)),
    D("红烧狮子头", "Braised meatballs", "meat", 800, (430, 20, 33, 12, 820), ("soy", "eggs")),
    D("宫保鸡丁", "Kung pao chicken", "meat", 700, (360, 26, 20, 18, 760), ("peanuts", "soy")),
    D("番茄牛腩", "Beef brisket with tomato", "meat", 1000, (390, 28, 24, 14, 690)),
    D("小炒黄牛肉", "Stir-fried beef", "meat", 1100, (340, 30, 20, 8, 730), ("soy",)),
    D("咖喱鸡块", "Chicken curry", "meat", 700, (380, 24, 22, 20, 710), ("milk",)),
    D("笋干老鸭", "Duck with dried bamboo shoots", "meat", 900, (350, 27, 23, 8, 800)),
    D("糖醋排骨", "Sweet and sour ribs", "meat", 1000, (460, 22, 30, 26, 640), ("soy",)),
)
FISH: Final = (
    D("西湖醋鱼", "West Lake fish in vinegar", "fish", 1200, (240, 30, 7, 14, 610), ("fish", "soy")),
    D("清蒸带鱼", "Steamed hairtail", "fish", 1000, (220, 28, 10, 3, 520), ("fish",)),
    D("龙井虾仁", "Shrimps with Longjing tea", "fish", 1400, (190, 26, 7, 5, 480), ("crustaceans", "eggs")),
    D("葱烤鲫鱼", "Crucian carp with scallions", "fish", 900, (260, 25, 14, 8, 660), ("fish", "soy")),
)
VEGETABLES: Final = (
    D("蒜蓉西兰花", "Broccoli with garlic", "vegetable", 400, (95, 5, 5, 9, 290)),
    D("清炒时蔬", "Greens of the season", "vegetable", 300, (70, 3, 4, 6, 260)),
    D("番茄炒蛋", "Eggs with tomato", "vegetable", 400, (180, 10, 12, 8, 340), ("eggs",)),
    D("麻婆豆腐", "Mapo tofu", "vegetable", 400, (210, 12, 14, 9, 720), ("soy", "gluten")),
    D("油焖春笋", "Braised bamboo shoots", "vegetable", 600, (150, 4, 9, 14, 580), ("soy",)),
    D("凉拌黄瓜", "Cucumber salad", "vegetable", 300, (60, 2, 3, 6, 310), ("sesame",)),
    D("地三鲜", "Potato, aubergine and pepper", "vegetable", 400, (230, 4, 14, 24, 460), ("soy",)),
)
SOUPS: Final = (
    D("紫菜蛋花汤", "Seaweed and egg soup", "soup", 100, (45, 4, 2, 3, 380), ("eggs",)),
    D("冬瓜排骨汤", "Winter melon and rib soup", "soup", 500, (160, 12, 10, 6, 460)),
    D("莼菜汤", "Water shield soup", "soup", 300, (40, 3, 1, 4, 350)),
)
BASICS: Final = (
    D("白米饭", "Rice", "staple", 100, (230, 5, 0, 51, 2)),
    D("杂粮饭", "Mixed grain rice", "staple", 150, (210, 6, 1, 44, 3)),
    D("时令水果", "Fruit of the season", "fruit", 300, (80, 1, 0, 19, 2)),
    D("酸奶", "Yoghurt", "drink", 400, (120, 5, 4, 16, 70), ("milk",)),
)
NIGHT: Final = (
    D("片儿川", "Noodles with pork and bamboo shoots", "staple", 1200, (480, 21, 15, 64, 980), ("gluten", "soy")),
    D("鲜虾馄饨", "Shrimp wontons", "staple", 1200, (360, 19, 11, 45, 860), ("gluten", "crustaceans")),
    D("酒酿圆子", "Rice balls in fermented rice", "snack", 600, (280, 5, 3, 58, 20)),
    D("皮蛋瘦肉粥", "Congee with pork and century egg", "staple", 800, (240, 14, 8, 28, 640), ("eggs",)),
)

ALL: Final = (*BREAKFAST, *MEATS, *FISH, *VEGETABLES, *SOUPS, *BASICS, *NIGHT)
