"""What others annotate pictures with, as questions of counting: COCO, YOLO, JSON Lines. Pure."""
