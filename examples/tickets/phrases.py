"""Word lists of the tickets example: what customers write, by what they mean.

Two marks are filled by `generate.py`: `[a|b|c]` picks one alternative, `{item}` and the other names
in braces take a value. A phrase sits in exactly one list, so the list it came from is its label.
"""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


CATEGORIES: tuple[str, ...] = ("refund", "delivery", "damaged", "account", "billing", "other")
URGENCIES: tuple[str, ...] = ("low", "normal", "high")

# Problems name what happened. In refund, delivery, damaged and billing every `{item}` ends a noun
# phrase, so " from order AB-12345" can follow it.
PROBLEMS: dict[str, tuple[str, ...]] = {
    "refund": (
        "I [would like|want|wish] to [return|send back] the {item} and get [a|a full] refund.",
        "I [returned|sent back] the {item} {ago} and [still have no refund|am still waiting for "
        "the refund|the refund has not come].",
        "Please refund me for the {item}, [it is not what I expected|I no longer need it|it does "
        "not suit us|I changed my mind].",
        "I [cancelled|called off] the {item} {ago} but [my money was not returned|nobody gave me "
        "my money back|the refund never came].",
        "How do I [get a refund|get my money back|return and get refunded] for the {item}?",
        "The {item} is [too small|too big|the wrong colour|not my taste] and I [want my money "
        "back|would like a refund|ask for a refund].",
        "You [promised|confirmed] a refund for the {item} {ago}, [where is it|when will I see "
        "it|what happened to it]?",
        "I am [not happy|not satisfied|disappointed] with the {item} and [would like to return "
        "it for a refund|want to be refunded].",
        "My return of the {item} [was accepted|reached your warehouse] {ago}, yet [no refund was "
        "made|the refund is missing|I got no money back].",
        "Can I [still return|send back] the {item} and [be refunded|get my money back]?",
        "I [ordered|bought] the {item} by mistake, please [cancel it and refund me|take it back "
        "and return my money].",
        "You only [refunded|gave back] half of the price of the {item}, I [expect|want] the "
        "[full refund|whole refund].",
        "We [do not need|have no use for] the {item} and [ask for our money back|would like to "
        "return it for a refund].",
        "The shop said that the {item} can be [returned|sent back] within 30 days, so [please "
        "refund it|I want my refund].",
    ),
    "delivery": (
        "The {item} [has not arrived|never arrived|did not show up|is still not here].",
        "I am [still waiting|waiting since {date}] for the {item}, [where is my parcel|where is "
        "it|is it on its way]?",
        "The tracking for the {item} [has not moved|shows nothing new|is stuck] since {date}.",
        "[Where is|Do you know where I find] the {item}? The [courier|driver|carrier] [never "
        "came|did not ring|left no note].",
        "When will the {item} be [delivered|shipped|dispatched]?",
        "The carrier says that the {item} was delivered but [I got no parcel|nothing is here|my "
        "neighbours have not seen it].",
        "Please [change|correct] the delivery address for the {item}, we [moved|are moving] to "
        "{city}.",
        "The parcel with the {item} was [sent to the wrong address|left at the wrong house|"
        "delivered to a stranger].",
        "The delivery of the {item} is [late|delayed|overdue], it was [promised|due] for {date}.",
        "The [courier|driver] took the {item} back to the depot in {city}, can you [arrange a "
        "new delivery|have it delivered again]?",
        "Can the {item} be [delivered|shipped] to [a pick-up point|my office|a parcel locker] in "
        "{city} instead?",
        "I [have no|did not get a|never received a] tracking [number|link] for the {item}.",
        "My parcel with the {item} seems to be [lost|stuck at customs|stuck at the depot] in "
        "{city}.",
        "The [shipping|delivery] date of the {item} [was moved|changed] [again|twice], when does "
        "it [come|arrive]?",
    ),
    "damaged": (
        "The {item} [arrived|came] [broken|cracked|smashed|in pieces|damaged].",
        "I [opened|unpacked] the box and the {item} was [broken|scratched|dented|cracked].",
        "The {item} [stopped working|broke|died] after [one day|two uses|a week], it [seems "
        "faulty|must be defective].",
        "There is a [big crack|deep scratch|hole|dent] in the {item}.",
        "The {item} [does not turn on|does not work at all|makes a burning smell|will not start], "
        "it is [defective|faulty|broken].",
        "The box was [crushed|torn|soaked] and the {item} inside is [damaged|broken|bent].",
        "One [part|corner|side] of the {item} is [broken off|cracked|bent|chipped].",
        "Sadly the {item} is [defective|faulty|damaged], please [send a replacement|replace it|"
        "exchange it for a working one].",
        "I got a [broken|damaged|faulty|defective] product, the {item} [fell apart|leaks|rattles].",
        "[My son|My wife|My husband|My mother] unpacked the {item} and it was [already broken|in "
        "pieces|full of scratches].",
        "Everything was fine with the parcel but the {item} is [cracked|torn|damaged|scratched].",
        "Please replace the {item}, it [came with a crack|was broken in the box|has a defect|is "
        "dented].",
        "The {item} has a [manufacturing defect|broken switch|loose part|broken handle], can you "
        "[repair|replace|exchange] it?",
        "I can send photos of the {item}, it is [badly damaged|cracked on one side|broken in two].",
    ),
    "account": (
        "I [cannot|can not|can no longer] [log in|sign in] to my account.",
        "I forgot my password and the reset [mail|link|e-mail] [never comes|does not work|has "
        "expired].",
        "Please [delete|close|remove] my account and [all my data|my profile].",
        "How do I change the [e-mail address|phone number|user name|password] of my account?",
        "My account is [locked|blocked|suspended] after [three|five|several] wrong passwords.",
        "The login code [does not arrive|never comes by SMS|is always refused], so I am locked "
        "out.",
        "I think that somebody [hacked|broke into|is using] my account, the password was changed.",
        "I have two accounts with [different|old and new] e-mail addresses, can you [merge|join] "
        "them?",
        "I [registered|signed up] {ago} but [the confirmation mail is missing|my account was never "
        "activated|the activation link fails].",
        "My profile shows [the wrong name|an old name|somebody else's name] and I cannot [edit|"
        "change|correct] it.",
        "Please [switch off|turn off|unsubscribe me from] the newsletter in my account settings, "
        "the page [does not save|gives an error].",
        "When I [log in|sign in] the site says that my user [does not exist|is unknown|is not "
        "active].",
        "I got a new phone and the two-factor login for my account [fails|is gone|does not work].",
        "The [app|website] logs me out [every minute|all the time|after each click] and forgets "
        "my password.",
    ),
    "billing": (
        "I was charged [twice|two times|double] for the {item}.",
        "The invoice for the {item} [is missing|never came|was not in the mail], please send it.",
        "The invoice for the {item} shows [the wrong amount|{amount} too much|the wrong VAT|the "
        "wrong company name].",
        "My [card|credit card|bank account] was charged {amount} but the {item} was cheaper in "
        "the shop.",
        "Can I get [an invoice|a corrected invoice|a copy of the invoice|a VAT invoice] for the "
        "{item}?",
        "My payment for the {item} was [declined|refused|rejected] although the card is valid.",
        "The discount code was not [applied to|counted on] the invoice for the {item}.",
        "Please put our [VAT number|tax number|company name] on the invoice for the {item}.",
        "There is an unknown charge of {amount} on my [card|bank statement], maybe for the {item}.",
        "I got a payment reminder for the {item} but I [paid|transferred the money] on {date}.",
        "Which [payment methods|cards] can I use for the {item}? The payment page [fails|shows an "
        "error].",
        "The bill says {amount} for the {item}, [please explain this charge|that sum is wrong|the "
        "price was lower].",
        "Can I pay for the {item} [in instalments|by invoice|by bank transfer] and where do I see "
        "the bill?",
        "You [billed|invoiced] me for [two|three] pieces of the {item} but I bought one, please "
        "correct the invoice.",
    ),
    "other": (
        "Do you [also sell|have] a {item} in [green|blue|black|a larger size]?",
        "Is the {item} [in stock|available] in your shop in {city}?",
        "What are the opening hours of your [shop|store] in {city}?",
        "I just [want|wanted] to say that your [team|staff] in {city} [is great|was very kind|did "
        "a great job].",
        "Do you have [open jobs|an internship|a part-time job] in {city}?",
        "Does the {item} [fit|work with|go with] a {item2}?",
        "I am writing [an article|a blog post|a school paper] about shops in {city}, who can "
        "[answer some questions|give an interview]?",
        "What is the {item} made of and [is it vegan|where is it made|is it safe for children]?",
        "[Is|Would] it [be possible|possible] to get a gift card for a friend in {city}?",
        "I have an idea for your [website|catalogue|shop]: please [add more photos|show the "
        "sizes|offer a dark mode].",
        "Will the {item} be [back|on sale|in the catalogue] [in spring|next month|before "
        "Christmas]?",
        "How [do I clean|do I store|often should I oil] a {item}, the manual says nothing.",
        "We are a [school|club|small company] in {city}, do you offer [discounts for groups|a "
        "catalogue|guided tours]?",
        "Which {item} do you recommend for [a beginner|a small flat|my parents|a student]?",
    ),
}

# Asks repeat the wish without naming another category; the shared ones fit everywhere.
ASKS: dict[str, tuple[str, ...]] = {
    "refund": (
        "Please send the money to [my card|the same card|my bank account].",
        "I [kept|still have] the receipt and [the box|the wrapping].",
        "Please confirm the refund.",
    ),
    "delivery": (
        "Please [check with|ask] the [courier|carrier].",
        "Somebody is always at home.",
        "[The tracking page does not help|The tracking page tells me nothing].",
    ),
    "damaged": (
        "Please send a new one.",
        "I would like [a replacement|an exchange].",
        "I can send [photos|pictures] of the damage.",
    ),
    "account": (
        "I tried [another browser|it on my phone|it several times].",
        "Please [reset|unlock|check] my login.",
        "My user name is my e-mail address.",
    ),
    "billing": (
        "Please [check|correct] the [invoice|bill].",
        "Our accountant [asks|is asking] about it.",
        "I can send the bank statement.",
    ),
    "other": (
        "I could not find it on the website.",
        "My friend asked me the same.",
        "It would [help|interest] me a lot.",
    ),
}
SHARED_ASKS: tuple[str, ...] = (
    "Please [help|help me|look into it|let me know].",
    "Can you [help|help me|check this|have a look]?",
    "What [should|can] I do?",
    "I [hope|trust] that you can help.",
    "I [look forward to|am waiting for] your [answer|reply].",
    "[Could|Can] [someone|somebody] [answer|write back to|call] me?",
)

# Urgency is what the customer asks for in words. A message without one of these is normal.
CUES: dict[str, tuple[str, ...]] = {
    "high": (
        "This is [urgent|very urgent|really urgent].",
        "It is [urgent|an emergency], please [hurry|answer at once].",
        "Please [answer|reply|act|solve this] [immediately|right away|at once|asap].",
        "I need [this solved|an answer|a solution|your help] [today|by tomorrow|tonight|by "
        "tomorrow morning].",
        "It has to be [solved|settled|done] [today|by tonight|by tomorrow|within 24 hours].",
        "I [leave|fly|travel] tomorrow, so [please hurry|it cannot wait|I need help today].",
        "This [cannot wait|can not wait any longer], please hurry.",
        "[Urgent|URGENT]: please [read this first|answer today|call me today].",
        "[Asap please|As soon as possible please|Please help asap], [we need it tomorrow|it is for "
        "tomorrow|the deadline is today].",
        "The deadline is [tomorrow|today|tonight], [please hurry|I need help right away].",
    ),
    "low": (
        "[No rush|No hurry|There is no hurry|There is no rush].",
        "[No rush|No hurry], [answer|reply|write back] [whenever you can|when you have time|any "
        "time].",
        "[It can wait|This can wait] [a few weeks|until next month|as long as you need].",
        "[Take your time|Please take your time], [it can wait|there is no hurry|no rush].",
        "It is not urgent[| at all].",
        "[Whenever you have time|Whenever it suits you|Whenever you can] is [fine|fine with "
        "me|soon enough].",
        "Any time [this month|in the next weeks|this season] is [fine|good enough].",
        "You do not need to hurry.",
        "[This is low priority|Low priority from my side].",
        "I am in no hurry[| at all|, whenever it suits you].",
    ),
}

ORDER_TAILS: tuple[str, ...] = (
    " from order {order}",
    " (order {order})",
    " from my order {order}",
    " of order no. {order}",
    " ({order})",
    ", order number {order},",
)
ORDER_SENTENCES: tuple[str, ...] = (
    "[The|My] order number is {order}.",
    "Order: {order}.",
    "It is about order {order}.",
    "[Order number|Order no.|Order ref] {order}.",
    "[You find it|It is filed] under {order}.",
    "My [order|purchase] has the number {order}.",
)
# Account and general questions are seldom about the order; customers quote one all the same.
ORDER_ASIDES: tuple[str, ...] = (
    "My last order was {order}.",
    "My [latest|last|most recent] order has the number {order}.",
    "[If it helps|In case you need it], my order number is {order}.",
    "I am the customer of order {order}.",
    "You know me from order {order}.",
)
NO_ORDER: tuple[str, ...] = (
    "I [cannot find|do not have|lost] the order number.",
    "I have no order number at hand.",
    "Sorry, I [deleted|lost] the mail with the order number.",
)

# True of any ticket, useless for every label: numbers that are no order number.
DISTRACTORS: tuple[str, ...] = (
    "I bought something [from you|in your shop] on {date}.",
    "You can [call|reach] me [on|at] {phone}.",
    "My [phone|number] is {phone}.",
    "I have been a customer since {year}.",
    "I wrote to you on {date} [already|too].",
    "I [live|work] in {city}, [house|flat] {n}.",
    "We are {n} people in this [house|office].",
    "This is my message number {n} this year.",
    "I am {age} years old and [shop here often|like your shop|do this for the first time].",
    "Your colleague [Anna|Tom|Mr. Becker|Ms. Silva] in room {n} [knows about it|was friendly].",
)
# They need a thing that was bought, so account and general questions leave them out.
ITEM_DISTRACTORS: tuple[str, ...] = (
    "It cost {amount}.",
    "I ordered it on {date}.",
    "It is a present for my {age} year old [aunt|uncle|friend|neighbour].",
    "It was item {n} [in the catalogue|on your list].",
)

ITEMS: tuple[str, ...] = _listed(
    "kettle|toaster|desk lamp|swivel chair|rain jacket|running vest|backpack|coffee grinder|"
    "glass vase|wall clock|garden hose|camping tent|sleeping bag|phone case|headset|keyboard|"
    "monitor|bookshelf|dinner plate|wine rack|frying pan|bread knife|blanket|pillow|bath towel|"
    "yoga mat|bicycle pump|helmet|rain hat|wool scarf|leather belt|summer dress|denim skirt|hoodie|"
    "baby stroller|toy train|puzzle|board game|guitar strap|music stand|paint set|sewing machine|"
    "vacuum cleaner|ceiling fan|heater|mirror|picture frame|carpet|shower curtain|coffee table|"
    "garden chair|bird feeder|dog bed|cat tree|fish tank|watch|parasol|suitcase|tea pot|blender|"
    "hand mixer|kitchen scale|power drill|tool box|ladder|mouse|webcam|speaker|tablet|camera bag"
)
CITIES: tuple[str, ...] = _listed(
    "Kraków|Lisbon|Malmö|Łódź|Zürich|Porto|Athens|Kyiv|Osaka|Izmir|Cairo|Dublin|Leeds|Graz|Brno|"
    "São Paulo|Montréal|Nairobi|Pune|Hanoi|Tromsø|Ghent|Córdoba|Riga|Cluj|Austin|Perth|Tartu"
)
MONTHS: tuple[str, ...] = _listed(
    "January|February|March|April|May|June|July|August|September|October|November|December"
)
AGO: tuple[str, ...] = (
    "last week", "two weeks ago", "ten days ago", "last month", "a month ago", "in spring",
    "three weeks ago", "some time ago", "weeks ago",
)  # fmt: skip

GREETINGS: tuple[str, ...] = _listed(
    "Hello|Hi|Dear support|Hi there|Hello team|Good morning|Good evening|Dear team|Hey|"
    "Dear Sir or Madam|Greetings|Hello support|Hola|Bonjour|Guten Tag|Ciao|Olá|Merhaba|Dzień dobry|"
    "Γεια σας|Здравствуйте|こんにちは|مرحبا"
)
SIGN_OFFS: tuple[str, ...] = _listed(
    "Thanks|Thank you|Many thanks|Best|Best regards|Kind regards|Regards|Cheers|Greetings|Yours|"
    "Thanks a lot|Best wishes|Sincerely"
)
NAMES: tuple[str, ...] = _listed(
    "Zoë|Łukasz|Nguyễn Anh|Søren|José|Chloé|Björn|Ana|Priya|Kofi|Amina|Marek|Fatma|Çağla|Jürgen|"
    "Siobhán|Renée|Håkon|Mátyás|Ioana|Željko|Dvořák|Inês|Oluwaseun|Mei|Hiroshi|Sanjay|Leilani|Tom|"
    "Emily|Grace|Peter|Lucía|Gonçalo|Ayşe|Eglė|Jānis|Tõnu|Γιώργος|Ελένη|Νίκος|Ольга|Дмитро|Иван|"
    "Светлана|さくら|田中|佐藤|محمد|ليلى|فاطمة|Rhys|Noor|Wei|Thandiwe|Mehmet|Katarzyna|Óscar"
)
