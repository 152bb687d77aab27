from reid_edge.decide.decision import Decision as Decision
from reid_edge.decide.decision import MatchedPoints as MatchedPoints
from reid_edge.decide.decision import PairEvidence as PairEvidence
from reid_edge.decide.decision import RankedIdentity as RankedIdentity
from reid_edge.decide.facts import AnimalFacts as AnimalFacts
from reid_edge.decide.facts import EngineFacts as EngineFacts
from reid_edge.decide.facts import PackFacts as PackFacts
from reid_edge.decide.facts import PhotoFacts as PhotoFacts
from reid_edge.decide.facts import ReviewFacts as ReviewFacts
from reid_edge.decide.facts import Thresholds as Thresholds
from reid_edge.describe.description import DescribedAnimal as DescribedAnimal
from reid_edge.describe.features import Features as Features
from reid_edge.describe.keypoints import Keypoints as Keypoints
from reid_edge.describe.query import Query as Query
from reid_edge.describe.segmentation import Animal as Animal
from reid_edge.describe.viewpoint import PredictedViewpoint as PredictedViewpoint
from reid_edge.errors import EngineError as EngineError
from reid_edge.errors import GalleryError as GalleryError
from reid_edge.errors import PackError as PackError
from reid_edge.errors import PhotoError as PhotoError
from reid_edge.errors import ReidEdgeError as ReidEdgeError
from reid_edge.errors import StorageError as StorageError
from reid_edge.errors import UsageError as UsageError
from reid_edge.gallery import Gallery as Gallery
from reid_edge.gallery import NewReview as NewReview
from reid_edge.gallery import Review as Review
from reid_edge.gallery import ReviewConflict as ReviewConflict
from reid_edge.identify.enrolment import EnrolmentResult as EnrolmentResult
from reid_edge.identify.opening import open_pack as open_pack
from reid_edge.identify.opening import open_session as open_session
from reid_edge.identify.session import Session as Session
from reid_edge.pack import Pack as Pack

__version__: str
__all__: list[str]
