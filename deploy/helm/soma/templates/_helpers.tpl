{{- define "soma.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "soma.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "soma.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "soma.labels" -}}
{{ include "soma.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What API, consumer and migration share: one list, so that they cannot drift apart. */}}
{{- define "soma.settings" -}}
KAFKA_BOOTSTRAP_SERVERS: {{ .Values.kafka.bootstrapServers | quote }}
KAFKA_MEMORY_EVENTS_TOPIC: {{ .Values.kafka.eventsTopic | quote }}
KAFKA_MEMORY_DLQ_TOPIC: {{ .Values.kafka.dlqTopic | quote }}
KAFKA_CONSUMER_GROUP: {{ .Values.kafka.consumerGroup | quote }}
KAFKA_CREATE_TOPICS: {{ .Values.kafka.createTopics | quote }}
KAFKA_SECURITY_PROTOCOL: {{ .Values.kafka.securityProtocol | quote }}
{{- with .Values.kafka.saslMechanism }}
KAFKA_SASL_MECHANISM: {{ . | quote }}
{{- end }}
{{- if .Values.kafka.tlsSecret }}
KAFKA_SSL_CA_LOCATION: /etc/soma/tls/kafka/ca.crt
{{- if .Values.kafka.clientCertificate }}
KAFKA_SSL_CERTIFICATE_LOCATION: /etc/soma/tls/kafka/tls.crt
KAFKA_SSL_KEY_LOCATION: /etc/soma/tls/kafka/tls.key
{{- end }}
{{- end }}
EVENTING_ENABLED: {{ .Values.eventing.enabled | quote }}
{{- with .Values.schemaRegistry.url }}
SCHEMA_REGISTRY_URL: {{ . | quote }}
KAFKA_VALUE_FORMAT: {{ $.Values.schemaRegistry.valueFormat | quote }}
{{- end }}
{{- with .Values.postgres.sslMode }}
POSTGRES_SSL_MODE: {{ . | quote }}
{{- end }}
{{- if .Values.postgres.tlsSecret }}
POSTGRES_SSL_ROOT_CERT: /etc/soma/tls/postgres/ca.crt
{{- end }}
POSTGRES_POOL_SIZE: {{ .Values.postgres.poolSize | quote }}
QDRANT_URL: {{ .Values.qdrant.url | quote }}
QDRANT_COLLECTION: {{ .Values.qdrant.collection | quote }}
SOMA_EMBEDDER: {{ .Values.embedder | quote }}
SOMA_DATA_DIR: /var/lib/soma
SOMA_LOG_FORMAT: json
{{- range $name, $value := .Values.env }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Secrets by reference. */}}
{{- define "soma.secrets" -}}
- name: POSTGRES_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.postgres.urlSecret }}, key: url}}
{{- with .Values.kafka.saslSecret }}
- name: KAFKA_SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- with .Values.qdrant.apiKeySecret }}
- name: QDRANT_API_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: api-key}}
{{- end }}
{{- with .Values.schemaRegistry.secret }}
- name: SCHEMA_REGISTRY_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: SCHEMA_REGISTRY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}

{{- define "soma.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/soma}
{{- if .Values.kafka.tlsSecret }}
- {name: kafka-tls, mountPath: /etc/soma/tls/kafka, readOnly: true}
{{- end }}
{{- if .Values.postgres.tlsSecret }}
- {name: postgres-tls, mountPath: /etc/soma/tls/postgres, readOnly: true}
{{- end }}
{{- end }}

{{- define "soma.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .Values.kafka.tlsSecret }}
- name: kafka-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.postgres.tlsSecret }}
- name: postgres-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "soma.pod-security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "soma.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "soma.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "soma.selector" . | nindent 6 }}
{{- end }}

{{/* Contradictions that the schema cannot say. */}}
{{- define "soma.check" -}}
{{- if and (not .Values.api.tokenSecret) (not .Values.api.allowAnonymous) -}}
{{- fail "api.tokenSecret names no secret; set it, or api.allowAnonymous=true if everybody in the cluster may read, write and delete" -}}
{{- end -}}
{{- if and (not .Values.eventing.enabled) (not .Values.api.journal.existingClaim) -}}
{{- fail "eventing.enabled=false needs api.journal.existingClaim: the API then keeps the only log there is" -}}
{{- end -}}
{{- if and .Values.api.journal.existingClaim (gt (int .Values.api.replicas) 1) -}}
{{- fail "api.journal.existingClaim belongs to one replica; set api.replicas=1" -}}
{{- end -}}
{{- if and (hasPrefix "SASL" .Values.kafka.securityProtocol) (not .Values.kafka.saslSecret) (ne .Values.kafka.saslMechanism "OAUTHBEARER") -}}
{{- fail "kafka.securityProtocol asks for SASL and kafka.saslSecret names no secret" -}}
{{- end -}}
{{- end }}
