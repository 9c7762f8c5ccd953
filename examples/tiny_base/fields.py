"""Values worth copying: identifiers, names, dates, numbers, and the noise people type around them.

Every function draws from the generator it is given, so a corpus follows from its seed alone.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random


def words(text: str) -> list[str]:
    """The words of a text: long lists read better as prose than as rows of quotes."""
    return text.split()


FIRST = words(
    "Anna Ben Clara David Eva Farid Grace Hugo Ines Jonas Karin Leo Mia Noah Olga Paul Rosa Sam "
    "Tara Uwe Vera Will Yara Zoë Søren Jürgen Żaneta Łukasz Šárka Čeněk Ángel Íñigo José André "
    "François Chloé Ødegård Åsa Bjørn Þóra Nguyễn Đặng Phạm Ştefan İbrahim Gülşen Ömer Çağla "
    "Małgorzata Jiří Zdeněk Ľubica Győző Ágnes Renée João Inês Siân Niamh Aoife Mehmet Olena "
    "Дмитрий Ольга Наталья Сергей Ελένη Γιώργος "
    "李娜 王伟 田中 佐藤 김민준 이서연 محمد فاطمة नेहा राहुल"
)
LAST = words(
    "Smith Jones Brown Müller Schröder Weiß García Núñez Peña Fernández Dvořák Novák Kowalski "
    "Wiśniewski Nielsen Ångström Lindqvist O'Brien McDonald Rossi D'Angelo Silva Gonçalves "
    "Popescu Ionescu Yılmaz Şahin Kovács Szabó Papadopoulos Ivanov Tran Lê Okafor Adeyemi Haddad "
    "Cohen Singh Patel Tanaka Kim Park Van-Dyk Saint-Clair Lefèvre Bär Öztürk Žižek Hašek"
)
SYLLABLES = words(
    "ba be bri ca cor da del do el en fa fin ga gor ha hel is ja jo ka kel la lin lo ma mer mi mo "
    "na nel no or pa per qua ra ren ri ro sa sel ta tor u va vel vi wa xe ya zu än ö ü é è ñ ø å"
)
TOWNS = words(
    "Oslo Lyon Kraków Malmö Porto Ghent Graz Bergen Zürich Córdoba Québec Reykjavík Tromsø Łódź "
    "Leeds Perth Austin Nairobi Lagos Kyoto Busan Hanoi Izmir Plovdiv Tartu Aarhus Göteborg Brno"
)
MONTHS = "January February March April May June July August September October November December"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
WORDS = words(
    "apple river stone lamp window paper garden engine violet copper ladder basket harbor candle "
    "marble pepper saddle anchor ribbon kettle walnut meadow tunnel feather bucket mirror pillow "
    "rocket thunder velvet cotton amber orchid falcon badger lantern compass hammer needle button"
)


def digits(rng: Random, low: int, high: int) -> str:
    """A run of digits of a random length, leading zeros included."""
    return "".join(rng.choices(string.digits, k=rng.randint(low, high)))


def upper(rng: Random, low: int, high: int) -> str:
    """A run of capitals of a random length."""
    return "".join(rng.choices(string.ascii_uppercase, k=rng.randint(low, high)))


def code(rng: Random) -> str:
    """An identifier in one of many shapes: the thing a fine-tuned adapter must copy exactly."""
    sep = rng.choice(["-", "-", "-", "/", "_", ".", " ", ""])
    mixed = "".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(4, 9)))
    shapes: list[Callable[[], str]] = [
        lambda: upper(rng, 1, 4) + sep + digits(rng, 2, 8),
        lambda: upper(rng, 1, 4) + sep + digits(rng, 2, 8),
        lambda: digits(rng, 2, 5) + sep + upper(rng, 1, 3),
        lambda: "#" + digits(rng, 3, 9),
        lambda: upper(rng, 2, 4) + " " + str(rng.randint(1990, 2030)) + "-" + digits(rng, 3, 6),
        lambda: str(rng.randint(1990, 2030)) + rng.choice("-/") + digits(rng, 3, 6),
        lambda: mixed,
        lambda: mixed[:3] + "-" + mixed[3:] + "-" + digits(rng, 1, 3),
        lambda: digits(rng, 4, 11),
        lambda: upper(rng, 1, 2) + digits(rng, 1, 3) + "-" + upper(rng, 1, 2) + digits(rng, 1, 4),
        lambda: "".join(rng.choices("0123456789abcdef", k=rng.randint(6, 10))),
        lambda: rng.choice(WORDS) + "-" + digits(rng, 1, 4),
    ]
    return rng.choice(shapes)()


def made_up_name(rng: Random) -> str:
    """A name nobody has seen, so that copying is the only way to get it right."""
    return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))).capitalize()


def name(rng: Random) -> str:
    """A person's name in some language, given name alone or with a surname."""
    first = rng.choice(FIRST) if rng.random() < 0.6 else made_up_name(rng)
    last = rng.choice(LAST) if rng.random() < 0.6 else made_up_name(rng)
    return first if rng.random() < 0.3 else f"{first} {last}"


def town(rng: Random) -> str:
    """A real or an invented place."""
    return rng.choice(TOWNS) if rng.random() < 0.5 else made_up_name(rng)


def date(rng: Random) -> str:
    """A date in one of the usual notations."""
    year, month, day = rng.randint(1950, 2035), rng.randint(1, 12), rng.randint(1, 28)
    word = words(MONTHS)[month - 1]
    return rng.choice(
        [
            f"{year}-{month:02d}-{day:02d}",
            f"{day:02d}.{month:02d}.{year}",
            f"{day}/{month}/{year}",
            f"{day} {word} {year}",
            f"{word} {day}",
            rng.choice(words(DAYS)),
        ]
    )


def clock(rng: Random) -> str:
    """A time of day."""
    return f"{rng.randint(0, 23)}:{rng.choice([0, 5, 10, 15, 20, 30, 40, 45, 50]):02d}"


def amount(rng: Random) -> str:
    """A number with a unit or a currency: mostly there to be ignored."""
    unit = rng.choice(["kg", "km", "%", "°C", "mm", "litres", "days", "euros", "pages", "min"])
    money = rng.choice("$€£") + f"{rng.randint(1, 900)}.{rng.randint(0, 99):02d}"
    whole = f"{rng.randint(1, 400)} {unit}"
    return rng.choice([money, whole, f"{rng.randint(1, 99)}.{digits(rng, 1, 2)} {unit}"])


def phone(rng: Random) -> str:
    """A telephone number, the commonest distractor beside an identifier."""
    head = rng.choice(["+", "0", "+4", "00"]) + digits(rng, 1, 3)
    return head + " " + digits(rng, 3, 4) + rng.choice([" ", "-"]) + digits(rng, 3, 5)


def email(rng: Random) -> str:
    """An address made of words and digits."""
    host = rng.choice(["mail", "post", "example", "home"]) + rng.choice([".org", ".com", ".net"])
    first, joint, second = rng.choice(WORDS), rng.choice([".", "_", ""]), rng.choice(WORDS)
    return f"{first}{joint}{second}{digits(rng, 0, 2)}@{host}"


def count(rng: Random) -> str:
    """A small whole number."""
    return str(rng.randint(2, 400))


KINDS: dict[str, Callable[[Random], str]] = {
    "code": code,
    "name": name,
    "town": town,
    "date": date,
    "clock": clock,
    "amount": amount,
    "phone": phone,
    "email": email,
    "count": count,
    "word": lambda rng: rng.choice(WORDS),
}


def typo(rng: Random, text: str, rate: float) -> str:
    """The text with letters swapped, dropped or doubled; words holding `{` are left alone."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) > 3 and word.isalpha() and rng.random() < rate:
            j = rng.randrange(1, len(word) - 1)
            kind = rng.randrange(3)
            if kind == 0:
                words[i] = word[:j] + word[j + 1] + word[j] + word[j + 2 :]
            elif kind == 1:
                words[i] = word[:j] + word[j + 1 :]
            else:
                words[i] = word[:j] + word[j] + word[j:]
    return " ".join(words)
