"""The reading worklist in page and terminal: answers, alarms and what goes with them."""

TEXTS = {
    "order.patient_class": "loại bệnh nhân {name}",
    "order.indication": "chỉ định: {text}",
    "order.not_used": "không dùng, {problem}",
    "order.title": "Phiếu chỉ định",
    "worklist.banner": "Kết quả phân loại bằng AI: chỉ dùng cho nghiên cứu, không phải thiết bị y tế, không phải kết"
    " quả đọc của bác sĩ",
    "worklist.order": "Vị trí trong thứ tự đọc",
    "worklist.priority": "Mức ưu tiên",
    "worklist.patient": "Bệnh nhân",
    "worklist.accession": "Số phiếu chỉ định",
    "worklist.arrived": "Nhận lúc",
    "worklist.result": "Kết quả AI",
    "worklist.preliminary": "(sơ bộ)",
    "worklist.reports": "Báo cáo",
    "worklist.empty": "Chưa nhận được ca chụp nào",
    "worklist.ago": "{span} trước",
    "worklist.images.one": "1 ảnh",
    "worklist.images.many": "{count} ảnh",
    "worklist.also": "ngoài ra: {sentence}",
    "worklist.no_name": "không có tên",
    "worklist.no_patient_id": "không có mã bệnh nhân",
    "worklist.nothing_sent": "không gửi gì",
    "worklist.no_reason": "không ghi lý do",
    # What the AI says of an image
    "answer.held": "TẠM GIỮ: {hold}",
    "answer.waiting": "đang chờ",
    "answer.waiting_again.one": "đang chờ, đã thử {count} lần không thành công",
    "answer.waiting_again.many": "đang chờ, đã thử {count} lần không thành công",
    "answer.being_analysed": "đang phân tích",
    "answer.failed": "THẤT BẠI, KHÔNG ĐƯỢC PHÂN TÍCH: {reason}",
    "answer.not_analysed": "KHÔNG ĐƯỢC PHÂN TÍCH: {reason}",
    "answer.no_image": "KHÔNG ĐƯỢC PHÂN TÍCH: không có ảnh nào của ca chụp này còn hiệu lực",
    "answer.several": "{sentence} ({count} ảnh)",
    "answer.result.positive": "NGHI VIÊM PHỔI {probability}",
    "answer.result.indeterminate": "KHÔNG XÁC ĐỊNH {probability}, chưa nghi ngờ cũng chưa loại trừ",
    "answer.result.negative": "AI không thấy hình ảnh viêm phổi; các bất thường khác KHÔNG được đánh giá",
    "answer.result.not_analysed": "KHÔNG ĐƯỢC PHÂN TÍCH",
    # What a person has to see to
    "alarm.remedy": "Cách xử lý:",
    "alarm.study_held": "Ca chụp bị tạm giữ: {hold}. Không gửi gì của ca chụp này.",
    "alarm.analysis_failed.one": "1 ảnh không phân tích được.",
    "alarm.analysis_failed.many": "{count} ảnh không phân tích được.",
    "alarm.report_failed.one": "Không tạo được báo cáo của 1 ảnh.",
    "alarm.report_failed.many": "Không tạo được báo cáo của {count} ảnh.",
    "alarm.delivery_failed.one": "Không gửi được 1 báo cáo hoặc thông điệp đến {destination}.",
    "alarm.delivery_failed.many": "Không gửi được {count} báo cáo hoặc thông điệp đến {destination}.",
    "alarm.untaken.one": "{destination} không nhận những gì được gửi: 1 báo cáo hoặc thông báo đang được"
    " gửi lại, đã {span}.",
    "alarm.untaken.many": "{destination} không nhận những gì được gửi: {count} báo cáo hoặc thông báo đang"
    " được gửi lại, cái đầu tiên đã {span}.",
    "alarm.unanalysed_for_long": "Một ảnh đã chờ phân tích {span}.",
    "alarm.unsent_for_long": "Một báo cáo hoặc thông điệp đã chờ gửi {span}.",
    "alarm.unread": "Một ca có mức ưu tiên {priority} đến cách đây {span} vẫn chưa được đọc; mục tiêu là {target}.",
    "alarm.commitment_dead.one": "Không trả lời được 1 yêu cầu cam kết lưu trữ.",
    "alarm.commitment_dead.many": "Không trả lời được {count} yêu cầu cam kết lưu trữ.",
    "alarm.commitment_for_long": "Một thiết bị đã chờ {span} để được trả lời yêu cầu cam kết lưu trữ; thiết bị này phải"
    " có trong `peers`.",
    "alarm.late.receipt_to_flag_seconds": "{source}: 95 % kết quả có trong vòng {took} kể từ khi nhận ảnh;"
    " mục tiêu là {target}.",
    "alarm.late.flag_to_read_seconds": "{source}: 95 % ca được đọc trong vòng {took} kể từ kết quả đầu tiên;"
    " mục tiêu là {target}.",
    "alarm.late.receipt_to_confirmed_seconds": "{source}: 95 % báo cáo được xác nhận trong vòng {took} kể từ khi"
    " nhận ảnh; mục tiêu là {target}.",
    # Who was not let in
    "refused.who": "{title} tại {address}",
    "refused.association": "liên kết DICOM",
    "refused.connection": "kết nối",
    "refused.classes_and_more": "{classes} và {count} loại khác",
    "refused.sentence.one": "{who} bị từ chối một lần, lúc {moment} ({what})",
    "refused.sentence.many": "{who} bị từ chối {count} lần, lần cuối lúc {moment} ({what})",
    # Lengths of time
    "duration.days": "{days} ngày {hours} giờ",
    "duration.hours": "{hours} giờ {minutes:02d} phút",
    "duration.minutes": "{minutes} phút",
    "duration.seconds": "{seconds} giây",
}
