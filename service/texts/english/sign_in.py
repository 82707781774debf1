"""What is said of signing in."""

TEXTS = {
    "sign_in.title": "Sign in",
    "sign_in.provider": "Sign in with the hospital's account",
    "sign_in.name": "Name",
    "sign_in.password": "Password",
    "sign_in.out": "Sign out",
    "sign_in.as": "signed in as {name}",
    "problem.wrong_api_token": "this token has ended, was revoked or never was; `auscult token` makes another",
    "problem.proxy": "the proxy named a person in a way that is not trusted; the log of `auscult web` says why",
    "problem.no_group": "Your name is in none of the groups that may see this page. An administrator of"
    " this site names them in `web.groups`.",
    "problem.provider_away": "The hospital's sign-in does not answer; try again in a minute.",
    "problem.sign_in_failed": "This sign-in did not succeed or took too long; begin again.",
    # Of programs, and of ending sessions
    "token.bad_name": "a program's name has letters, digits, spaces, dots and dashes, 64 at most",
    "token.created": "Give this to the program; it is shown once and lasts {days} days:",
    "token.none": "no token was ever made",
    "token.number": "Number",
    "token.name": "Name",
    "token.roles": "Roles",
    "token.ends": "Ends",
    "token.used": "Last used",
    "token.revoked": "revoked",
    "token.unknown": "no token {number} is in force; `auscult token list` lists them",
    "token.ended": "token {number} is worth nothing from now on",
    "logout.ended.one": "one session of {name} has ended",
    "logout.ended.many": "{count} sessions of {name} have ended",
    "token.made": "Made",
}
