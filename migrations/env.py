"""Run the migrations on the database that `service.ledger.database` names."""

from alembic import context

from service.ledger.database import connect
from service.ledger.record_base import Record

engine = connect(context.config.attributes["url"]).execution_options(writes=True)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Record.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
