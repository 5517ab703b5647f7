"""`python -m gateway.tokens`: makes, lists and revokes the tokens that callers of the API show.

It works on the gateway's database, by the settings in the environment, beside a running gateway or
without one. No route makes tokens, so that no stolen token makes another.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from gateway.access.callers import Role
from gateway.access.token_store import TokenStore
from gateway.database import database_or_exit
from gateway.errors import ApiError
from gateway.settings import GatewaySettings

_ROLES = [role.value for role in Role]


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with 1 and a sentence where it can't be done."""
    options = _parser().parse_args(arguments)
    settings = GatewaySettings.read([])
    work: Callable[[TokenStore, argparse.Namespace], str] = options.work
    with database_or_exit(settings) as database:
        try:
            sys.stdout.write(work(TokenStore(database), options))
        except ApiError as error:
            sys.exit(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m gateway.tokens", description=__doc__)
    commands = parser.add_subparsers(required=True)
    create = commands.add_parser("create", help="make a token; it is shown this once")
    create.add_argument("name", help="names the token where it is listed, logged or revoked")
    create.add_argument(
        "--role",
        choices=_ROLES,
        default=Role.WRITER.value,
        help="reader: looks at its owner's things; writer (the default): makes and changes them "
        "too; operator: both, with everybody's",
    )
    create.add_argument("--owner", help="whose things it is for; the token's name if left out")
    create.set_defaults(work=_create)
    commands.add_parser("list", help="show every token but for itself").set_defaults(work=_list)
    revoke = commands.add_parser("revoke", help="refuse a token from now on")
    revoke.add_argument("name")
    revoke.set_defaults(work=_revoke)
    return parser


def _create(store: TokenStore, options: argparse.Namespace) -> str:
    return store.create(options.name, options.owner or options.name, Role(options.role)) + "\n"


def _list(store: TokenStore, _options: argparse.Namespace) -> str:
    rows = [("name", "owner", "role", "created", "revoked")]
    for token in store.all():
        revoked = f"{token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else "-"
        made = f"{token.created_at:%Y-%m-%d %H:%M}"
        rows.append((token.name, token.owner, token.role, made, revoked))
    return "".join("\t".join(row) + "\n" for row in rows)


def _revoke(store: TokenStore, options: argparse.Namespace) -> str:
    store.revoke(options.name)
    return f"{options.name} is revoked\n"


if __name__ == "__main__":
    main()
