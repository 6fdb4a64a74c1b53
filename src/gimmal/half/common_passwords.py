"""Passwords too common to be allowed, in folded form (docs/spec/half.md, section 5).

A short list of our own: the rule of 12 characters or 4 words already keeps most common passwords out, so only long ones
and the stems to which people add digits matter.
"""

from __future__ import annotations

ROWS = (
    "0123456789",
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertyuiopasdfghjklzxcvbnm",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiop",
    "1q2w3e4r5t6z7u8i9o0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)
"""Sequences; a password that lies on one of them, forwards or backwards, is refused."""

_TEXT = """
    password passwordpassword mypassword thepassword yourpassword newpassword oldpassword mypasswordis
    passwort meinpasswort passwortpasswort motdepasse monmotdepasse contrasena micontrasena senha minhasenha
    wachtwoord parola haslo heslo salasana lozinka jelszo passphrase mypassphrase secret mysecret topsecret
    supersecret secretpassword secretsecret letmein letmeinplease letmeinnow pleaseletmein openthedoor opensesame
    welcome welcomehome welcomeback welcometohome administrator adminadmin adminpassword rootroot rootpassword
    rootpasswordroot superuser superuserroot changeme changemenow changemeplease changethis pleasechangeme
    changemechangeme default defaultpassword temporary temporarypassword temppassword testtest testpassword
    testtesttest testing testingtesting guestguest guestpassword iloveyou iloveyousomuch iloveyouforever
    iloveyoubaby ilovegod ilovejesus ihateyou ihatepasswords idontknow idontknowit idontcare iforgot iforgotit
    forgotpassword forgetmenot whatever whateverwhatever nothing nothingatall trustnoone trustno trustme sunshine
    sunshinesunshine princess princessprincess dragon dragondragon monkey monkeymonkey football footballfootball
    baseball basketball superman supermansuperman batman batmanbatman spiderman starwars starwarsstarwars
    maytheforcebewithyou pokemon pokemonpokemon harrypotter chocolate strawberry butterfly liverpool
    liverpoolfc manchester manchesterunited chelsea chelseafc arsenal arsenalfc barcelona realmadrid juventus
    qwertyqwerty qwertyasdfgh qwertyuiopqwerty asdfasdfasdf asdfghasdfgh qweasdzxc qweasdzxcqweasd qwerasdfzxcv
    abcabcabc abcdabcdabcd abcdefabcdef aaabbbccc aaabbbcccddd onetwothree onetwothreefour onetwothreefourfive
    correcthorsebatterystaple correcthorsebattery thequickbrownfox thequickbrownfoxjumps tobeornottobe
    loremipsumdolor loremipsumdolorsit inthebeginning hellohello hellohellohello helloworld helloworldhello
    computer mycomputer computercomputer internet internetinternet usbstick myusbstick usbstickpassword
    gimmal gimmalgimmal gimmalpassword gimmalgimmalgimmal nopassword nopasswordneeded nopasswordhere
    thisismypassword thisisapassword thisisasecret thisisnotapassword thisispassword itsasecret imnottelling
    notmypassword enterpassword enteryourpassword typepassword typeyourpassword passwordisword
"""

COMMON = frozenset(_TEXT.split())
"""Compared after folding to lower-case letters and digits, with and without digits behind."""
