"""The ledger: the truth about every instance, and the only writer of rows.

Each method is one transaction; what it returned from is durable. Workers hold rows under leases, so that a crash delays
an image by a lease and loses none. Every change of an instance's state passes through `rows.advance`.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Engine

from service.ledger.abandonment import Abandonment
from service.ledger.admission import Admission, Arrival, ArrivalKind, Registered
from service.ledger.analysis import Analysis
from service.ledger.api_tokens import ApiToken, ApiTokens
from service.ledger.checkpoints import Checkpoints
from service.ledger.claims import ClaimedInstance, Predecessor
from service.ledger.commitment_requests import CommitmentRequests, DueCommitment
from service.ledger.commitments import Answered, Commitments
from service.ledger.dead_letters import DeadLetters
from service.ledger.deliveries import SentObject
from service.ledger.drift import Drift
from service.ledger.due_deliveries import DueDelivery
from service.ledger.due_reports import DueReport
from service.ledger.feedback import CountedFeedback, Feedback, FeedbackView, LabelledResult
from service.ledger.figures import Figures
from service.ledger.inspection import Inspection
from service.ledger.kept_counts import KeptCounts
from service.ledger.leases import Taken
from service.ledger.machines import Machines
from service.ledger.messages import DueMessage, Messages
from service.ledger.orders import Orders
from service.ledger.outbox import Outbox
from service.ledger.priors import Priors
from service.ledger.reading_list import ReadingList
from service.ledger.readings import Readings
from service.ledger.refusals import RecordedRefusal, Refusals
from service.ledger.remedies import Remedies, Which
from service.ledger.reporting import Reporting
from service.ledger.reports import EarlierReport, NewReport
from service.ledger.results import RecordedResult, Results
from service.ledger.retention import Retention
from service.ledger.shadow import Shadow
from service.ledger.sign_ins import Lasting, SignedIn, SignIns
from service.ledger.site_keys import SiteKeys
from service.ledger.study_facts import ImageFacts, StudyFacts
from service.ledger.telling import Subscription, Subscriptions
from service.ledger.timekeeping import ClockView, Timekeeping
from service.ledger.turnarounds import Turnarounds
from service.ledger.unaddressed import Unaddressed
from service.ledger.work_item_outbox import DueWorkItemEvent, WorkItemOutbox
from service.ledger.work_items import WorkItems, WorkItemView
from service.process.clock import Clock, utc_now
from service.vocabulary.figures import Tally
from service.vocabulary.reading_order import ReadingOrder


class Ledger:
    """The parts of the ledger, on one engine and one clock.

    Parameters
    ----------
    engine
        From `service.ledger.database.connect`, with current tables.
    order
        How priority moves a study, or an image in the queue, forward.
    look_again
        How long after a destination confirmed an object it is asked whether it still holds it.
    subscriptions
        Who is told of what, by messages.
    claim_limit
        How long a work item is its performer's of whom nothing is heard.
    lasting
        How long somebody stays signed in at the page.
    """

    def __init__(
        self,
        engine: Engine,
        order: ReadingOrder | None = None,
        clock: Clock = utc_now,
        look_again: Sequence[timedelta] = (),
        subscriptions: Sequence[Subscription] = (),
        claim_limit: timedelta = timedelta(hours=4),
        lasting: Lasting | None = None,
    ) -> None:
        order, tally, told = order or ReadingOrder(), Tally(), Subscriptions(subscriptions)
        self.engine = engine
        self.admission = Admission(engine, order, clock, tally, told)
        self.analysis = Analysis(engine, clock, told)
        self.reporting = Reporting(engine, clock, tally, told)
        self.outbox = Outbox(engine, clock, tally, look_again)
        self.messages = Messages(engine, clock, tally)
        self.unaddressed = Unaddressed(engine, clock)
        self.abandonment = Abandonment(engine, clock)
        self.commitments = Commitments(engine, clock, tally, look_again)
        self.commitment_requests = CommitmentRequests(engine, clock)
        self.timekeeping = Timekeeping(engine, clock, claim_limit)
        self.figures = Figures(engine, tally)
        self.turnarounds = Turnarounds(engine, clock)
        self.refusals = Refusals(engine, clock, tally)
        self.results = Results(engine, order, clock, tally, told)
        self.feedback = Feedback(engine, order, clock, told)
        self.readings = Readings(engine, order, clock, tally, told)
        self.orders = Orders(engine, order, clock, tally, told)
        self.sign_ins = SignIns(engine, clock, lasting or Lasting())
        self.api_tokens = ApiTokens(engine, clock)
        self.site_keys = SiteKeys(engine)
        self.dead_letters = DeadLetters(engine)
        self.checkpoints = Checkpoints(engine)
        self.remedies = Remedies(engine, order, clock, tally, told)
        self.retention = Retention(engine, clock)
        self.counts = KeptCounts(engine)
        self.shadow = Shadow(engine, clock)
        self.machines = Machines(engine)
        self.drift = Drift(engine, clock)
        self.inspection = Inspection(engine)
        self.priors = Priors(engine)
        self.reading_list = ReadingList(engine, order)
        self.work_items = WorkItems(engine, clock, tally, told, claim_limit)
        self.work_item_outbox = WorkItemOutbox(engine, clock)


__all__ = [
    "Admission",
    "Analysis",
    "Answered",
    "ApiToken",
    "ApiTokens",
    "Arrival",
    "ArrivalKind",
    "ClaimedInstance",
    "ClockView",
    "CommitmentRequests",
    "Commitments",
    "CountedFeedback",
    "Drift",
    "DueCommitment",
    "DueDelivery",
    "DueMessage",
    "DueReport",
    "DueWorkItemEvent",
    "EarlierReport",
    "Feedback",
    "FeedbackView",
    "Figures",
    "ImageFacts",
    "Inspection",
    "LabelledResult",
    "Lasting",
    "Ledger",
    "Machines",
    "Messages",
    "NewReport",
    "Orders",
    "Outbox",
    "Predecessor",
    "Priors",
    "ReadingList",
    "Readings",
    "RecordedRefusal",
    "RecordedResult",
    "Refusals",
    "Registered",
    "Remedies",
    "Reporting",
    "Results",
    "Retention",
    "SentObject",
    "Shadow",
    "SignIns",
    "SignedIn",
    "SiteKeys",
    "StudyFacts",
    "Subscription",
    "Taken",
    "Timekeeping",
    "Which",
    "WorkItemOutbox",
    "WorkItemView",
    "WorkItems",
]
