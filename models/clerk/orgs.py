"""Random organisations and people: how a mail writes the name, and the slug under which a payee list keeps it."""
import random
import string
import unicodedata
import zlib

HEADS = ("north south east west wind stone oak iron silver gold red green black white lake hill bright clear wood moor brook ash elm "
         "thorn rose fern glen kings queens bishop hazel birch alder rowan marsh field spring summer winter frost snow storm cloud sky sun "
         "moon star fire ember coal copper tin steel brass glass salt sand clay chalk flint slate river ford bridge mill barn byre croft "
         "wolf fox hare stag raven rook crane heron swan finch lark hawk kestrel falcon otter badger beaver bear lion tiger horse ox lamb "
         "bay cove harbor port anchor sail keel mast tide wave reef coral pearl shell amber jade ruby opal onyx quartz velvet silk cotton "
         "linen paper ink pen quill lantern candle beacon tower castle garden orchard apple pear plum cherry lemon olive mint basil sage "
         "honey maple cedar pine willow aspen lotus lily iris clover heather bramble acorn nut seed grain barley rye oat hop").split()
TAILS = ("gate ford ton ham wick worth ley well field wood bridge brook burn dale don mere mont more stead stone vale view way wyn "
         "land mark son sen berg dorf feld hof bach stein mann qvist strom lund gren dahl holm vik nes by wall croft cote combe house "
         "light line craft path point rock shore side smith trail ward works yard crest peak forge nest").split()
SYLL = ("ac me glo bex zen tro nor win del ta vi ra mon lu pe ka shi fo ren qua zi bo lan dor mi tek sol ar ven ti gra cor hex a no pri ma "
        "o ri on sta fi ly nu da ju xo wy be su ke pa ro ni ge hal ber cy du var lin tes qui mor vel sy tra plu cre ban dri fen gul har jas "
        "kel lor mar nex pol rum sal tam ulv wes yor zan ek il um os et an er is em ak").split()
FORE = ("Anna Ben Carla David Elena Felix Grace Henry Irene Jonas Karen Liam Maria Nina Oscar Paula Quinn Rosa Simon Tara Umar Vera Walter Xenia "
        "Yusuf Zoe Ahmed Bianca Chen Dora Emil Fatima Georg Hana Ivan Julia Kofi Lena Marco Noor Olga Pedro Ravi Sara Tomas Ursula Viktor Wendy "
        "Amir Beth Clara Diego Eva Frank Gina Hugo Inés Jack Kate Leo Mia Nils Oleg Priya Ruth Sven Tim Una Vince Will Yara Åsa Jürgen Léa Søren "
        "Björn Zoë Núria Chloé Mehmet Ngozi Kwame Aiko Haruto Mei Wei Jin Soo Lars Ingrid Astrid Mats Pekka Aino Katya Dmitri Agnieszka Paweł "
        "Ondřej Milan Jovana Andrei Ioana Sofia Luca Giulia Matteo Carmen Pablo Rui Joana Deepa Arjun Lakshmi Fiona Callum Siobhán Owen Gareth "
        "Rhys Megan Tyler Brooke Jordan Casey Morgan Robin Alex Sam Jo Pat Lee Kim Nadia Omar Leila Tariq Amina Zainab Thandi Sipho Lucía "
        "Peter Paul Mark Luke John James Robert Michael Susan Linda Helen Laura Emma Olivia Thomas Martin Stefan Claudia Petra Ulrike").split()
SURHEAD = ("Ack Ander Arm Ash Bal Bar Beck Ben Berg Black Bran Brook Car Chap Clay Cole Craw Dal Dan Dray Eck Ed Ell Eng Far Fer Fitz Fors Gar Gil "
           "Gran Hag Hal Han Har Haw Hed Hol Hoff How Jan Jen Ker Klein Kra Kvist Lam Lar Len Lind Lof Lund Mac Mad Mar Mc Mel Mo Mor Mun Nar "
           "New Nor Ny O' Os Ott Park Pem Pet Pran Quin Ram Red Ros Rut San Sax Sel Shel Sjö Sten Stock Stone Sund Tal Thor Tor Træ Ul Val Vas Ver "
           "Wal War Wes Whit Wil Win Wood Yates Zell Öst Müll Grün Fuchs Lö Brü").split()
SURTAIL = ("qvist ström gren lund berg man mann son sen sson ton ham well ley field ford wood worth by dahl holm stad er ers ard ett elli ini "
           "ov ova ić ez es eira ova ski ska wicz enko yan ian oğlu ura moto shima gawa feld bach meier bauer hoff stein hardt weiler combe "
           "more low ker ner ler ster thorne ington erley escu ak ek os is as dottir sdóttir court mont").split()
SECTORS = ("Hosting|Coffee Roasters|Coffee|Catering|Office Supplies|Supplies|Translations|Cleaning|Cleaners|Logistics|Couriers|Print|Printers|Printing|Studio|"
           "Studios|Design|Legal|Law|Partners|Consulting|Consultants|Software|Systems|Cloud|Cloud Services|Networks|Insurance|Energy|Power|Water|Water Works|"
           "Telecom|Mobile|Bakery|Florist|Flowers|Plumbing|Plumbing & Heating|Electric|Electrical|Security|Gardens|Landscaping|Architects|Accounting|Accountants|"
           "Bookkeeping|Analytics|Labs|Laboratories|Media|Films|Photography|Music|Events|Travel|Freight|Shipping|Storage|Self Storage|Furniture|Tools|Hardware|Auto|"
           "Auto Repair|Motors|Cycles|Foods|Food|Farms|Dairy|Wines|Brewery|Brewing|Tea|Books|Press|Publishing|Academy|Training|Recruiting|Staffing|Property|"
           "Property Management|Rentals|Equipment Rental|Estates|Interiors|Textiles|Workwear|Laundry|Dental|Clinic|Pharmacy|Optics|Glass|Steel|Metalworks|Timber|"
           "Paints|Roofing|Builders|Construction|Civil Engineering|Engineering|Robotics|Data|Data Services|Digital|Web|Web Services|IT Services|Domains|Registrar|Mail|"
           "Payments|Capital|Audit|Tax|Trading|Imports|Exports|Wholesale|Market|Packaging|Signs|Labels|Waste|Recycling|Pest Control|Locksmiths|Lifts|Elevators|Fire Safety|"
           "Fitness|Yoga|Coworking|Workspace|Workspaces|Conferences|Tickets|Radio|Audio|Sound|Lighting|Research|Surveys|Marketing|Advertising|Communications|PR|"
           "Översättningar|Bygg|Städ|Übersetzungen|Bäckerei|Druckerei|Gebäudereinigung|Elektrotechnik|Reisen|Traductions|Imprimerie|Fleurs|Boulangerie|"
           "Consultoría|Traducciones|Imprenta|Traduzioni|Tipografia|Kaffe|Blomster|Transport|Transporte|Automation|Nodes|Validators|Protocol|Bridge|Oracle|Security Audits").split("|")
LEGAL = "GmbH|Ltd|Ltd.|LLC|Inc.|Inc|AB|SARL|BV|B.V.|Oy|S.A.|S.L.|Pty Ltd|AS|A/S|ApS|& Co.|& Sons|& Partner|Co.|Group|Collective|Cooperative|Foundation|AG|KG|e.V.|SRL|PLC|Limited|Corp.|Company|UG|Sp. z o.o.".split("|")
DEPARTMENTS = "Billing|Accounts|Accounts Receivable|Invoicing|Finance|Support|Team|Customer Service|Service|Office|Sales|Orders|Payments|Subscriptions|Customer Care|Accounting|Collections|Notifications|News".split("|")
ROLES = "Accounts|Billing|Finance|Accounts Receivable|Billing Department|no-reply|noreply|Invoices|Accounting|Customer Service|Reception|Office|Front desk|Scanner|Document scanner|Mail room|Facilities|info|admin".split("|")
ROOTS = "com net org io example co eu de se test dev shop app biz".split()


def fold(text):
    text = text.translate(str.maketrans({"ø": "o", "Ø": "O", "æ": "ae", "ß": "ss", "ł": "l", "đ": "d", "ı": "i", "œ": "oe"}))
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def slugify(text):
    return "-".join(w for w in "".join(c if c.isalnum() and c.isascii() else " " if c not in "'’.&" else "" for c in fold(text)).split() if w)


def is_eval(word):
    return zlib.crc32(fold(word).encode()) % 8 == 0


def word(r, split):
    """One distinctive, mostly invented word; which ones training may use is decided by hash."""
    while True:
        k = r.random()
        if k < .34:
            w = r.choice(HEADS) + r.choice(TAILS)
        elif k < .52:
            w = r.choice(HEADS) + r.choice(HEADS)
        elif k < .80:
            w = "".join(r.choice(SYLL) for _ in range(r.choice([2, 2, 2, 3, 3])))
        elif k < .86:
            w = "".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(3, 5)))
        elif k < .94:
            w = r.choice(HEADS)
        else:
            w = fold(r.choice(SURHEAD) + r.choice(SURTAIL)).replace("'", "")
        if 3 <= len(w) <= 14 and (split == "any" or is_eval(w) == (split == "eval")):
            return w


def surname(r, split):
    while True:
        w = r.choice(SURHEAD) + r.choice(SURTAIL)
        if split == "any" or is_eval(w) == (split == "eval"):
            return w


def cap(w, r):
    return w[:1].upper() + w[1:]


class Org:
    """core: the words that make it distinct; sector: a generic word or ""; name: as written; slug: as listed."""

    def __init__(self, name, slug, core, sector="", person=False):
        self.name, self.slug, self.core, self.sector, self.person = name, slug, core, sector, person


def org(r, split, sector=None, core=None):
    k = r.random()
    sector = sector if sector is not None else r.choice(SECTORS)
    legal = " " + r.choice(LEGAL) if r.random() < .28 else ""
    if k < .17 and core is None:  # a person, alone or with a trade
        fore, sur = r.choice(FORE), surname(r, split)
        k = r.random()
        slug = slugify(sur) if k < .35 else slugify(f"{fore[0]} {sur}") if k < .62 else slugify(f"{fore} {sur}") if k < .86 else slugify(f"{fore} {sur[0]}")
        trade = " " + sector if r.random() < .3 and k < .86 else ""
        name = f"{fore} {sur}{trade}"
        if k < .35 and r.random() < .3:
            name = r.choice([f"{sur} & {surname(r, split)}", f"{sur} {sector}", f"{sur} & {r.choice(['Sons', 'Daughters', 'Co.', 'Partners'])}", f"Studio {sur}", f"{sector} {sur}"])
            trade = sector
        return Org(name, slug, fold(sur), "", True)
    first = core or word(r, split)
    style = r.random()
    two = core is None and r.random() < .13
    second = word(r, split) if two else ""
    shown = cap(first, r) + (" " + cap(second, r) if two else "")
    if style < .07:
        shown = shown.upper()
    elif style < .12:
        shown = shown.lower()
    elif style < .16 and not two and len(first) > 6:
        at = r.randint(3, len(first) - 3)
        shown = cap(first[:at], r) + cap(first[at:], r)
    with_sector = r.random() < (.6 if two else .82)
    name = shown + (" " + sector if with_sector else "") + legal
    if with_sector and r.random() < .05:
        name = r.choice(["The ", "Studio ", "Atelier ", "Café "]) + name
    k = r.random()
    base = slugify(first + " " + second) if two else first
    head = slugify(sector.split(" ")[0]) if with_sector else ""
    if with_sector and not two and k < .42 and head:
        slug = f"{first}-{head}" if k < .36 else first + head
        if k < .06 and " " in sector:
            slug = first + "-" + slugify(sector.split(" ")[-1])
    elif two and k < .25:
        slug = first + second if k < .08 else first if r.random() < .5 else second
    else:
        slug = base
    return Org(name, slug.strip("-"), first, sector if with_sector else "")


def near(o, r, split):
    """A different organisation that is easy to take for o: same trade, same first word with another trade, or one letter off."""
    k = r.random()
    if k < .5 and o.sector:
        return org(r, split, sector=o.sector, core=word(r, split))
    if k < .75 and o.sector and slugify(o.sector).split("-")[0] in o.slug and not o.person:
        other = r.choice([s for s in SECTORS if slugify(s).split("-")[0] != slugify(o.sector).split("-")[0]])
        x = org(r, split, sector=other, core=o.core)
        if x.sector:
            x.slug = o.core + "-" + slugify(other).split("-")[0]
            return x
    if len(o.core) > 4 and not o.person:
        i = r.randrange(len(o.core))
        c = o.core[:i] + r.choice(string.ascii_lowercase.replace(o.core[i] if o.core[i].isascii() else "a", "")) + o.core[i + 1:]
        if split == "any" or is_eval(c) == (split == "eval"):
            return org(r, split, sector=o.sector or None, core=c)
    return org(r, split, sector=o.sector or None, core=word(r, split)) if not o.person else org(r, split)


def person(r, split):
    k = r.random()
    fore = r.choice(FORE)
    return fore if k < .35 else f"{fore} {surname(r, split)}" if k < .9 else f"{fore[0]}. {surname(r, split)}"


def matches(slug, name):
    """Whether a slug could be meant by a name: all its words occur in it."""
    text = slugify(name).replace("-", "")
    return all(w in text for w in slug.split("-"))
