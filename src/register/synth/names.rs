//! Names for synthetic people and streets: common in Flanders, of the origins that its families have, with the
//! apostrophes and accents that real files hold. The lists are kept as blocks, not a line per name.

/// Last names.
#[rustfmt::skip]
pub(super) const LAST: &[&str] = &[
    "Peeters", "Janssens", "Maes", "Jacobs", "Mertens", "Willems", "Claes", "Goossens", "Wouters", "De Smet",
    "Dubois", "Lambert", "Dupont", "Martens", "Hermans", "Aerts", "Michiels", "Hendrickx", "Van Damme", "Pauwels",
    "De Clercq", "Desmet", "Van de Velde", "De Backer", "Vermeulen", "Stevens", "Lemmens", "Smets", "Verhoeven",
    "De Vos", "Segers", "Cools", "Vandenberghe", "Baert", "Van den Broeck", "Coppens", "Thijs", "Timmermans",
    "Michielsen", "Declercq", "De Cock", "Van den Bossche", "Dewulf", "Verstraete", "De Meyer", "Wauters", "Simons",
    "Bogaerts", "Vermeiren", "Verbeke", "De Pauw", "Van Hoof", "Geerts", "Pieters", "Cornelis", "Verlinden", "Moens",
    "Diels", "Nys", "Thys", "Bosmans", "Beckers", "Geens", "Nijs", "Vanhove", "Verhaegen", "D'hondt", "D'Haene",
    "D'Hooghe", "D'hoker", "Vandamme", "Callens", "Debruyne", "Deprez", "Vansteenkiste", "Lievens", "Lootens",
    "Matthys", "Naessens", "Raes", "Rombouts", "Ruttens", "Schepers", "Sels", "Steegmans", "Theunis", "Tielemans",
    "Torfs", "Uytterhoeven", "Van Acker", "Van Dyck", "Van Looy", "Vanden Bulcke", "Vandeputte", "Verbruggen",
    "Vercammen", "Verschueren", "Vervaet", "Wellens", "Wyns", "Ysebaert", "Zegers", "El Idrissi", "Benali", "Amrani",
    "El Amrani", "Bouzidi", "Haddad", "Chaouch", "Ouali", "Tahiri", "Yılmaz", "Kaya", "Demir", "Çelik", "Şahin",
    "Öztürk", "Aydın", "Doğan", "Kılıç", "Koç", "Kowalski", "Nowak", "Wiśniewska", "Kamiński", "Popescu", "Ionescu",
    "Dumitru", "Ivanov", "Petrova", "Dimitrov", "Shevchenko", "Kovalenko", "Bondarenko", "Nguyễn", "Trần", "Singh",
    "Kaur", "Khan", "Ahmad", "Hussain", "Mohammadi", "Rahimi", "Osman", "Abdi", "Tesfay", "Mbala", "Ilunga",
    "Kabongo", "N'Diaye", "Diallo", "Mensah", "O'Connor", "García", "Fernández", "Rossi", "Bianchi", "Silva",
    "Santos", "Müller", "Schäfer", "Vandenbroucke",
];

/// First names of girls and women.
#[rustfmt::skip]
pub(super) const FEMALE: &[&str] = &[
    "Emma", "Louise", "Olivia", "Marie", "Elena", "Mila", "Ella", "Nora", "Juliette", "Lina", "Anna", "Camille",
    "Noor", "Julia", "Elise", "Lotte", "Fien", "Lore", "Hanne", "Sofie", "Laura", "Sarah", "Lisa", "Charlotte",
    "Amber", "Zoë", "Chloé", "Anaïs", "Inès", "Maëlle", "Noémie", "Renée", "Aline", "Ann", "Katrien", "Els", "Griet",
    "Veerle", "Ilse", "Nele", "Leen", "Tine", "Evelien", "Stefanie", "Kim", "Joke", "Liesbeth", "An-Sofie",
    "Marie-Claire", "Annelies", "Fatima", "Yasmine", "Aicha", "Khadija", "Salma", "Amina", "Imane", "Hafsa", "Elif",
    "Zeynep", "Ayşe", "Defne", "Agnieszka", "Katarzyna", "Zofia", "Elena-Maria", "Ioana", "Oksana", "Iryna", "Linh",
    "Priya", "Simran", "Maryam", "Zahra", "Hodan", "Selam", "Grâce", "Aïssatou", "Lucía", "Giulia",
];

/// First names of boys and men.
#[rustfmt::skip]
pub(super) const MALE: &[&str] = &[
    "Noah", "Arthur", "Liam", "Louis", "Adam", "Jules", "Lucas", "Gabriel", "Victor", "Mathis", "Finn", "Lars",
    "Vince", "Lowie", "Stan", "Wout", "Jef", "Senne", "Robbe", "Seppe", "Milan", "Ruben", "Thomas", "Jonas", "Matteo",
    "Léon", "Noé", "Théo", "Loïc", "Raphaël", "Jérôme", "René", "André", "Jan", "Luc", "Marc", "Koen", "Bart", "Tom",
    "Kristof", "Pieter", "Wim", "Geert", "Dirk", "Jeroen", "Sven", "Steven", "Jean-Pierre", "Pieter-Jan", "Karel",
    "Mohamed", "Ayoub", "Bilal", "Youssef", "Ibrahim", "Hamza", "Rachid", "Karim", "Emir", "Yusuf", "Mehmet", "Ömer",
    "Jakub", "Piotr", "Łukasz", "Andrei", "Mihai", "Dmytro", "Oleksandr", "Minh", "Arjun", "Harpreet", "Ali", "Reza",
    "Abdirahman", "Yonas", "Dieudonné", "Mamadou", "José", "Luca",
];

/// Streets.
#[rustfmt::skip]
pub(super) const STREETS: &[&str] = &[
    "Kerkstraat", "Stationsstraat", "Molenstraat", "Schoolstraat", "Dorpsstraat", "Nieuwstraat", "Veldstraat",
    "Kapelstraat", "Bosstraat", "Kasteelstraat", "Hoogstraat", "Beekstraat", "Groenstraat", "Eikenlaan", "Beukenlaan",
    "Lindenlaan", "Berkenlaan", "Kastanjelaan", "Acacialaan", "Rozenlaan", "Tulpenstraat", "Zonnelaan", "Parklaan",
    "Koning Albertlaan", "Koningin Astridlaan", "Koning Boudewijnlaan", "Leopoldlaan", "Sint-Jansstraat",
    "Sint-Pietersstraat", "Sint-Jozefstraat", "Onze-Lieve-Vrouwstraat", "Heilig-Hartlaan", "Gentsesteenweg",
    "Antwerpsesteenweg", "Brusselsesteenweg", "Brugsesteenweg", "Diestsesteenweg", "Leuvensesteenweg",
    "Steenweg op Gierle", "Oude Baan", "Grote Markt", "Marktplein", "Kerkplein", "'t Hofveld",
    "'s-Gravenwezelsteenweg", "Guido Gezellestraat", "Hendrik Consciencestraat", "Peter Benoitlaan", "Rubensstraat",
    "Pater Damiaanstraat", "Kardinaal Mercierlaan", "Burgemeester Nolfstraat", "Kapitein Fryattlaan",
    "Vlaanderenstraat", "Europalaan", "Industrielaan", "Havenstraat", "Kanaalstraat", "Meersstraat", "Driesstraat",
    "Heidestraat", "Duinenweg", "Blauwe Gans", "Bloemenwijk",
];

/// Places abroad where a beneficiary may live: country, postcode, municipality, street.
pub(super) const ABROAD: &[(&str, &str, &str, &str)] = &[
    ("NL", "4561 AB", "Hulst", "Gentsestraat"),
    ("NL", "6211 CL", "Maastricht", "Brusselsestraat"),
    ("NL", "4811 XC", "Breda", "Haagdijk"),
    ("FR", "59200", "Tourcoing", "Rue de Gand"),
    ("FR", "59000", "Lille", "Rue Nationale"),
    ("DE", "52062", "Aachen", "Großkölnstraße"),
    ("LU", "1660", "Luxembourg", "Grand-Rue"),
    ("PL", "00-950", "Warszawa", "ul. Świętokrzyska"),
];
