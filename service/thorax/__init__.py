"""What a frontal chest radiograph shows before any network looks: where the lungs are, and which way is up."""

from service.thorax.lung_field import SIDE, LungField, find_lung_field, usual_lung_field
from service.thorax.orientation import is_upright

__all__ = ["SIDE", "LungField", "find_lung_field", "is_upright", "usual_lung_field"]
