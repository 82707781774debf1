"""SOP classes that auscult knows by name, and the groups that it treats alike.

They are written out because the words that all share load no pydicom, which takes a second; a test holds them to its
dictionary.

References
----------
PS3.6 Table A-1
"""

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"

#: Unified Procedure Step. Every work item is an instance of Push, by whatever class it is asked for (PS3.4 CC.3.1).
UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_EVENT, UPS_QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in range(1, 6))
#: Well-known instances that stand for every work item, and for those that match (PS3.4 section CC.2.3.1).
UPS_GLOBAL, UPS_FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
#: Those that our listener is the SCP of.
UPS_OFFERED = (UPS_PULL, UPS_WATCH, UPS_QUERY)

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_X_RAY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DIGITAL_X_RAY_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"

#: What may hold a radiograph that is analysed.
RADIOGRAPHS = (COMPUTED_RADIOGRAPHY, DIGITAL_X_RAY_FOR_PRESENTATION, DIGITAL_X_RAY_FOR_PROCESSING, SECONDARY_CAPTURE)

#: Secondary Capture and its multi-frame kinds: bit, greyscale byte, greyscale word, true colour.
SECONDARY_CAPTURES = (SECONDARY_CAPTURE, *(f"{SECONDARY_CAPTURE}.{kind}" for kind in (1, 2, 3, 4)))
