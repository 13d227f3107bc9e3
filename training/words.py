"""Words and names that no list brings, written down here. In small letters, as the lexicon has them."""

from __future__ import annotations

NATIONS = """
afghan african albanian algerian american andorran angolan arab arabian argentine argentinian armenian asian australian
austrian azerbaijani bahamian bahraini bangladeshi barbadian basque bavarian belarusian belgian belizean bhutanese
bolivian bosnian brazilian breton british bruneian bulgarian burmese burundian californian cambodian cameroonian
canadian caribbean catalan chadian chechen chilean chinese colombian congolese corsican croat croatian cuban cypriot
czech dane danish dominican dutch ecuadorian egyptian emirati english eritrean estonian ethiopian european fijian
filipino filipina finn finnish flemish french gabonese galician gambian georgian german ghanaian greek grenadian
guatemalan guinean guyanese haitian hawaiian hispanic honduran hungarian icelander icelandic indian indonesian iranian
iraqi irish irishman israeli italian ivorian jamaican japanese jordanian kazakh kenyan korean kosovar kurd kurdish
kuwaiti kyrgyz lao laotian latino latina latvian lebanese liberian libyan liechtensteiner lithuanian luxembourger
macedonian malagasy malawian malay malaysian maldivian malian maltese maori mauritanian mauritian mexican moldovan
mongolian montenegrin moroccan mozambican namibian nepalese nepali nicaraguan nigerian nigerien norwegian omani
pakistani palestinian panamanian paraguayan persian peruvian pole polish polynesian portuguese qatari romanian roma
russian rwandan salvadoran samoan saudi scandinavian scot scotsman scottish senegalese serb serbian sicilian sikh
singaporean slav slovak slovakian slovene slovenian somali spaniard spanish sudanese surinamese swede swedish swiss
syrian taiwanese tajik tamil tanzanian texan thai tibetan togolese tongan trinidadian tunisian turk turkish turkmen
ugandan ukrainian uruguayan uyghur uzbek venezuelan vietnamese welsh welshman yemeni yemenite yoruba zambian zimbabwean
christian christians catholic catholics protestant protestants orthodox jew jews jewish muslim muslims islamic sunni
shia shiite hindu hindus buddhist buddhists mormon mormons lutheran methodist baptist anglican evangelical quaker
jesuit jain sikhs atheist atheists zionist democrat democrats republican republicans libertarian communist socialist
cherokee navajo apache inuit romani afro-american
""".split()

TITLES = """
mr mr. mrs mrs. ms ms. miss mx dr dr. doctor prof prof. professor sir madam dame lord lady rev rev. reverend fr sister
capt capt. captain sgt sgt. sergeant lt lt. lieutenant col col. colonel gen gen. general major admiral president senator
sen. rep. gov. governor mayor judge justice king queen prince princess pope minister chancellor ambassador herr frau
monsieur madame mme mlle señor señora signor signora don doña sheikh imam rabbi uncle aunt auntie grandpa grandma coach
""".split()

ORGANISATIONS_ENDINGS = """
inc inc. ltd ltd. llc llp plc gmbh ag sa s.a. spa s.p.a. bv nv oy ab as corp corp. corporation co co. company group
holdings partners associates university college school institute academy bank hospital clinic agency department ministry
committee council commission foundation association society union club party church airlines airways motors records
studios entertainment media press times post news network systems technologies technology software labs laboratories
solutions services industries international consulting capital insurance museum library team federation league fc
restaurant hotel cafe
""".split()

MONTHS = """
january february march april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun
""".split()

STREETS = "apt apt. suite unit floor box flat building bldg po p.o. street st. road rd. ave. blvd. psc apo fpo".split()

PLACES = (
    "the netherlands",
    "the united states",
    "the united kingdom",
    "middle east",
    "north america",
    "south america",
    "latin america",
    "central america",
    "western europe",
    "eastern europe",
    "silicon valley",
    "new england",
    "west bank",
    "gaza strip",
    "great britain",
    "northern ireland",
    "hong kong",
    "wall street",
    "white house",
    "east coast",
    "west coast",
    "bay area",
    "long island",
    "staten island",
    "soviet union",
)
ORGANISATIONS = (
    "united nations",
    "european union",
    "red cross",
    "supreme court",
    "world bank",
    "federal reserve",
    "new york times",
    "wall street journal",
    "washington post",
    "associated press",
    "general motors",
    "bank of america",
    "burger king",
    "home depot",
    "whole foods",
    "manchester united",
    "real madrid",
    "red sox",
    "white sox",
    "air force",
)
LISTS = {"n": NATIONS, "h": TITLES, "o": ORGANISATIONS_ENDINGS, "m": MONTHS, "l": STREETS}

JOBS = [
    f"{rank}{role}"
    for role in """
ceo cfo cto coo president manager director engineer developer nurse teacher lawyer attorney analyst consultant accountant
architect designer editor journalist reporter spokesman spokeswoman spokesperson secretary assistant professor lecturer
coach pilot chef driver electrician plumber carpenter mechanic surgeon dentist pharmacist therapist psychologist physicist
chemist biologist economist historian photographer musician actor actress singer writer author producer banker broker
recruiter technician administrator coordinator supervisor officer inspector detective researcher scientist librarian
""".split()
    for rank in ("", "senior ", "junior ", "lead ", "chief ", "deputy ", "vice ", "head ", "assistant ", "project ", "general ")
] + [
    "chief executive", "chief executive officer", "chief financial officer", "chief technology officer", "vice president",
    "software engineer", "senior software engineer", "data scientist", "product manager", "sales manager", "account manager",
    "office manager", "marketing manager", "human resources manager", "managing director", "executive director",
    "software developer", "web developer", "system administrator", "customer service representative", "police officer",
]  # fmt: skip
