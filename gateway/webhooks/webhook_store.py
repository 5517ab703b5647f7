"""Webhooks that are still to arrive: taken for a while, put off, or gone."""

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import col, delete, select

from gateway.times import now
from gateway.webhooks.webhook_models import Webhook
from tally.database.database import Database


class WebhookStore:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.run = database.run

    def take(self, most: int, seconds: float) -> Sequence[Webhook]:
        """Some that are due, each with its attempts counted: nobody else takes them for so long,
        and whoever is killed meanwhile leaves them to be taken again."""
        due = select(Webhook).where(col(Webhook.next_at) <= now()).order_by(col(Webhook.next_at))
        with self._database.writing() as session:
            taken = session.exec(due.limit(most).with_for_update(skip_locked=True)).all()
            for webhook in taken:
                webhook.attempts += 1
                webhook.next_at = now() + timedelta(seconds=seconds)
            return taken

    def put_off(self, webhook_id: str, seconds: float) -> None:
        with self._database.writing() as session:
            webhook = session.get(Webhook, webhook_id, with_for_update=True)
            if webhook is not None:
                webhook.next_at = now() + timedelta(seconds=seconds)

    def remove(self, webhook_id: str) -> None:
        with self._database.writing() as session:
            session.exec(delete(Webhook).where(col(Webhook.webhook_id) == webhook_id))
